"""The whole run in order: measure errors, fit the curve, plan and train every scheme; each part feeds the next."""

import hashlib
from collections.abc import Collection, Iterable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from paper.progress import watch
from paper.rows import Settings, stamp_of

import fimi_opt as fo

from . import errors, runs
from .digits import Floats
from .kinds import PLAIN, TORCH
from .laws import LAWS, Data, Law, fit
from .planning import Planned, plans
from .rows import Measure, Rows, missing
from .runs import Run
from .schemes import RECIPES
from .settings import SETTINGS

# What rows depend on beside the library.
SOURCES = (
    "digits.py",
    "errors.py",
    "generators.py",
    "kinds.py",
    "network.py",
    "runs.py",
    "schemes.py",
    "settings.py",
    "similarity.py",
    "training.py",
)
TORCH_SOURCES = (*SOURCES, "adversarial.py", "diffusion.py")
# Significant digits of the fitted curve that plans are made with: rows are found again by them.
_DIGITS = 6


class Order(NamedTuple):
    """What is asked for.

    Attributes
    ----------
    seeds
        How many, each with its own split of the data, drop of devices and start of the network.
    rounds
        Of training.
    jobs
        Processes.
    folder
        For rows.
    torch
        Whether the generators are those that need torch.
    """

    seeds: int
    rounds: int
    jobs: int
    folder: Path
    torch: bool = False


class Found(NamedTuple):
    """What the page and the pictures are made of.

    Attributes
    ----------
    real
        Errors of networks trained apart on real samples alone, (seeds, amounts).
    mixed
        The same and those with synthetic samples, by kind of generator.
    curve
        Fitted to `real`; its zeta is no setting's.
    zetas
        By setting.
    uniform
        Errors after each round of devices without class mixes, by setting, (seeds, rounds).
    runs
        All training runs.
    laws
        What synthetic samples of each kind are worth, by the law's name.
    plans
        What plans would be with these laws.
    """

    real: Floats
    mixed: dict[str, Data]
    curve: fo.FittedCurve
    zetas: dict[str, float]
    uniform: dict[str, Floats]
    runs: list[Run]
    laws: dict[str, dict[str, Law]]
    plans: list[Planned]

    @property
    def complete(self) -> bool:
        """Whether every scheme was run."""
        return {run.scheme for run in self.runs} == set(RECIPES)


def run(order: Order) -> Found:
    """Make the rows that are missing, part after part."""
    rows = Rows(order.folder / "rows.jsonl", stamp(SOURCES))
    kinds = ("none",) if order.torch else ("none", *PLAIN)
    apart = _by(kinds, _collect(rows, "errors", errors.measure, {"kind": kinds}, order))
    real = np.array([row["errors"] for row in apart.pop("none")])
    curve = fo.fit_learning_curve(np.tile(errors.REAL, order.seeds), real.ravel())
    axes: dict[str, Any] = {"setting": SETTINGS, "rounds": [order.rounds]}
    alike = _by(SETTINGS, _collect(rows, "uniform", runs.measure_uniform, axes, order))
    uniform = {name: np.array([row["errors"] for row in alike[name]]) for name in SETTINGS}
    zetas = {name: _zeta(curve, SETTINGS[name].local, uniform[name]) for name in SETTINGS}
    if order.torch:
        learnt = _learn(Rows(order.folder / "torch.jsonl", stamp(TORCH_SOURCES)), order, curve, zetas)
        apart = {kind: [{"errors": row["errors"][kind]} for row in learnt] for kind in TORCH}
        trained = [Run(**run) for row in learnt for run in row["runs"]]
    else:
        trained = _train(rows, order, curve, zetas)
    mixed = {kind: _data(real, np.array([row["errors"] for row in apart[kind]]), kind) for kind in apart}
    laws = {kind: {name: fit(name, data) for name in LAWS} for kind, data in mixed.items()}
    return Found(real, mixed, curve, zetas, uniform, trained, laws, plans(curve, zetas, laws, order.seeds))


def stamp(sources: Iterable[str]) -> str:
    """Return a hash of the code that rows depend on: those of other code are not used."""
    digest = hashlib.sha256(stamp_of([Path(fo.__file__).parent]).encode())
    for name in sources:
        digest.update(Path(__file__).with_name(name).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _learn(rows: Rows, order: Order, curve: fo.LearningCurve, zetas: dict[str, float]) -> list[dict[str, Any]]:
    """All that the generators that need torch are for, seed by seed."""
    axes = {"rounds": [order.rounds]} | _law(curve) | {name: [_short(zeta)] for name, zeta in zetas.items()}
    return _collect(rows, "torch", runs.measure_learnt, axes, order)


def _train(rows: Rows, order: Order, curve: fo.LearningCurve, zetas: dict[str, float]) -> list[Run]:
    """Every scheme in every setting."""
    found = []
    for name in SETTINGS:
        axes: dict[str, Any] = {"scheme": RECIPES, "setting": [name], "good": [PLAIN[0]], "poor": [PLAIN[1]]}
        axes |= {"rounds": [order.rounds], "zeta": [_short(zetas[name])]} | _law(curve)
        found += [Run(**row) for row in _collect(rows, "runs", runs.measure, axes, order)]
    return found


def _law(curve: fo.LearningCurve) -> dict[str, list[float]]:
    """Return the fitted curve as plans are made with it."""
    return {name: [_short(getattr(curve, name))] for name in ("alpha", "beta", "gamma")}


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _collect(rows: Rows, name: str, measure: Measure, axes: dict[str, Any], order: Order) -> list[dict[str, Any]]:
    """Rows of every seed and every combination of these settings, seeds fastest."""
    settings: list[Settings] = [
        dict(zip((*axes, "seed"), values, strict=True)) for values in product(*axes.values(), range(order.seeds))
    ]
    todo = [entry for entry in settings if rows.find(name, entry) is None]
    finished = missing(rows, name, measure, todo, order.jobs)
    for _ in watch(range(len(todo)), name):
        next(finished)
    return [rows.row(name, entry) for entry in settings]


def _by(names: Collection[str], rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of each name: they come in its order, as many for each."""
    each = len(rows) // len(names)
    return {name: rows[k * each : (k + 1) * each] for k, name in enumerate(names)}


def _zeta(curve: fo.FittedCurve, local: int, errors_of_rounds: Floats) -> float:
    """Scale of the number of rounds, of devices without class mixes after their last round, FIMI eq. (3)."""
    mean = fo.models.mean_error([local], curve.alpha, curve.beta, curve.gamma)
    return fo.fit_zeta(errors_of_rounds.shape[1], mean, float(errors_of_rounds[:, -1].mean()))


def _data(real: Floats, mixed: Floats, kind: str) -> Data:
    """Errors on real samples alone and on both kinds, with their amounts."""
    pairs = np.array([*errors.amounts("none"), *errors.amounts(kind)], np.float64)
    return Data(pairs[:, 0], pairs[:, 1], np.concatenate([real, mixed], axis=1))
