"""Fig. 5(b): who gets how much synthetic data, along arithmetic sequences of energy coefficients and of distances."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import fimi_opt as fo
from fimi_opt.scenarios import Arithmetic, Scenario, paper

from . import style
from .rows import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEVICES = 20
# V-A's ranges; what is not in the sequence is the same for all devices, at the middle of its range.
COEFFICIENTS = Arithmetic(4e-27, 6e-27)
DISTANCES = Arithmetic(20.0, 400.0)
FREQUENCY, POWER_DBM = 1.5e9, 21.5
MIDDLE = {"coefficients": 210.0, "distances": 5e-27}
OTHERS = {"coefficients": (20.0, 210.0, 400.0), "distances": (4e-27, 5e-27, 6e-27)}


class Row(NamedTuple):
    """Amounts along one sequence.

    Attributes
    ----------
    sequence
        "coefficients" or "distances".
    other
        What all devices share: their distance (m), or their coefficient (J s^2 / cycle^3).
    values
        The sequence, in these units.
    synthetic
        Samples of each device.
    """

    sequence: str
    other: float
    values: list[float]
    synthetic: list[float]


def measure(sequence: str, other: float, devices: int) -> Row:
    """Plan the fleet of one sequence."""
    spread = {"coefficients": COEFFICIENTS, "distances": DISTANCES}[sequence]
    plan = fo.solve(*_fleet(sequence, other, devices))
    values = np.linspace(spread.first, spread.last, devices)
    return Row(sequence, other, values.tolist(), plan.synthetic_samples.tolist())


def _fleet(sequence: str, other: float, devices: int) -> Scenario:
    return paper(
        devices=devices,
        bandwidth=1e6 * devices,
        energy_coefficient=COEFFICIENTS if sequence == "coefficients" else other,
        distance=DISTANCES if sequence == "distances" else other,
        max_frequency=FREQUENCY,
        max_power_dbm=POWER_DBM,
        classes=0,
    )


def texts(rows: list[Row]) -> dict[str, str]:
    """Return what the page quotes."""
    found = {}
    for name, chosen in _by_sequence(rows).items():
        middle = np.array(_middle(chosen).synthetic)
        found[f"{name}_first"] = f"{middle[0]:.0f}"
        found[f"{name}_last"] = f"{middle[-1]:.0f}"
        found[f"{name}_shift"] = f"{max(np.max(np.abs(np.array(row.synthetic) - middle)) for row in chosen):.0f}"
    falling = sum(bool(np.all(np.diff(row.synthetic) < 0)) for row in rows)
    return found | {"falling": str(falling), "sequences": str(len(rows))}


def draw(rows: list[Row], figure: "Figure") -> None:
    """Plot the amounts along both sequences."""
    panels = figure.subplots(1, 2, sharey=True)
    chosen = _by_sequence(rows)
    coefficients, distances = _middle(chosen["coefficients"]), _middle(chosen["distances"])
    panels[0].plot(np.array(coefficients.values) * 1e27, coefficients.synthetic, "o-", color=style.BLUE)
    panels[0].set(
        xlabel=r"energy coefficient $\epsilon_i$ ($10^{-27}$ J s$^2$ / cycle$^3$)",
        ylabel="synthetic samples of the device",
        title=f"every device at {coefficients.other:g} m",
        xticks=np.arange(4.0, 6.1, 0.5),
    )
    panels[1].plot(distances.values, distances.synthetic, "o-", color=style.BLUE)
    panels[1].set(
        xlabel="distance $R_i$ (m)",
        title=rf"every device with $\epsilon_i = {distances.other * 1e27:g} \cdot 10^{{-27}}$ J s$^2$ / cycle$^3$",
    )
    panels[0].set_ylim(0, None)


def _by_sequence(rows: list[Row]) -> dict[str, list[Row]]:
    return {name: [row for row in rows if row.sequence == name] for name in OTHERS}


def _middle(rows: list[Row]) -> Row:
    """Row whose shared value is drawn."""
    return next(row for row in rows if row.other == MIDDLE[row.sequence])


PART = Part(
    name="amounts",
    kind=Row,
    measure=measure,
    settings=[
        {"sequence": name, "other": other, "devices": DEVICES} for name, others in OTHERS.items() for other in others
    ],
    texts=texts,
    size=(8.5, 3.8),
    draw=draw,
)
