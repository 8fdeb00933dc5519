"""The table's energies under every reading of what V-A leaves open: the noise's unit and the size of an update."""

from typing import NamedTuple

import numpy as np

import fimi_opt as fo
from fimi_opt.baselines import traditional
from fimi_opt.scenarios import NOISE_AS_PRINTED_DBM, NOISE_PER_HZ_DBM, UPDATE_BITS_DECIMAL, paper

from .means import mean_of
from .rows import Part

DROPS = 50
NOISES = {"-174 dBm/Hz": NOISE_PER_HZ_DBM, "-174 dBm/MHz, as printed": NOISE_AS_PRINTED_DBM}
UPDATES = {
    "111.7 · 2^20 bits": fo.PAPER_TASK.update_bits,
    "117 · 10^6 bits, Table I's": 117e6,
    "111.7 · 10^6 bits": UPDATE_BITS_DECIMAL,
}


class Row(NamedTuple):
    """J of FIMI and of TFL for one drop under one reading."""

    noise: str
    update: str
    seed: int
    fimi: float
    tfl: float


def measure(noise: str, update: str, seed: int) -> Row:
    """Plan one drop with and without synthetic data."""
    scenario = paper(seed, noise_density_dbm=NOISES[noise], update_bits=UPDATES[update])
    return Row(noise, update, seed, fo.solve(*scenario).energy, traditional(*scenario).energy)


def texts(rows: list[Row]) -> dict[str, str]:
    """Return the table."""
    lines = []
    for noise in NOISES:
        for update in UPDATES:
            chosen = [row for row in rows if (row.noise, row.update) == (noise, update)]
            columns = [
                noise,
                update,
                mean_of([row.fimi for row in chosen]).text(2),
                mean_of([row.tfl for row in chosen]).text(2),
                f"{np.mean([row.fimi / row.tfl for row in chosen]):.2f}",
            ]
            lines.append(f"| {' | '.join(columns)} |")
    return {"reading_table": "\n".join(lines), "reading_drops": str(len({row.seed for row in rows}))}


PART = Part(
    name="readings",
    kind=Row,
    measure=measure,
    settings=[
        {"noise": noise, "update": update, "seed": seed}
        for noise in NOISES
        for update in UPDATES
        for seed in range(DROPS)
    ],
    texts=texts,
)
