"""The tutorials' cells run one after another, show something, and what the text says of the numbers is so."""

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fimi_opt as fo

matplotlib = pytest.importorskip("matplotlib")
pytestmark = pytest.mark.slow  # not by themselves, but thousands of solves without JIT are
PAGES = Path(__file__).parents[1] / "docs" / "tutorials"
CELL = re.compile(r"^```\{code-cell\} python\n(?::[^\n]*\n)*(.*?)^```$", re.MULTILINE | re.DOTALL)

# Energies are certified to 1e-9 of themselves. Over twice a step of 1e-4 of the limit that leaves 1e-5 of a slope of
# one part of energy for one part of the limit, and the curves' own bend less than that.
GAP = 1e-9
STEP = 1e-4
SLOPE_TOL = 1e-4
# "Several times": what the text says of energies at the edge of what is possible, beside those a little further in.
SEVERAL = 3


class Page(dict[str, Any]):
    """Names that a page's cells left behind, what they printed, and how many pictures they drew."""

    printed: str
    pictures: int


def run(name: str) -> Page:
    """Run a page as a notebook does: the last expression of a cell is shown, and so are pyplot's figures."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    text = (PAGES / name).read_text(encoding="utf-8")
    cells = CELL.findall(text)
    assert len(cells) == text.count("```{code-cell}")  # none is written otherwise, and left out
    page, printed = Page(), io.StringIO()
    page.pictures = 0
    with matplotlib.rc_context(), contextlib.redirect_stdout(printed):
        for cell in cells:
            shown = last_value(cell, name, page)
            pictures = [plt.figure(number) for number in plt.get_fignums()]
            for figure in pictures:
                figure.savefig(io.BytesIO(), format="png")
            plt.close("all")
            page.pictures += len(pictures)
            if hasattr(shown, "_repr_png_"):
                page.pictures += shown._repr_png_().startswith(b"\x89PNG")
    page.printed = printed.getvalue()
    return page


def last_value(cell: str, name: str, names: dict[str, Any]) -> Any:
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    return eval(compile(ast.Expression(last.value), name, "eval"), names) if isinstance(last, ast.Expr) else None


@pytest.fixture(scope="module")
def fleet() -> Page:
    return run("plan-a-fleet.md")


@pytest.fixture(scope="module")
def trade_offs() -> Page:
    return run("trade-offs.md")


@pytest.fixture(scope="module")
def training() -> Page:
    pytest.importorskip("sklearn")
    return run("from-curve-to-training.md")


def test_plan_a_fleet_shows_its_pictures(fleet: Page) -> None:
    assert fleet.pictures == 2
    assert "equal bit for bit: True" in fleet.printed
    assert "certified gap below 1e-9: True" in fleet.printed


def test_little_data_gets_most_synthetic_and_a_poor_channel_most_band(fleet: Page) -> None:
    plan, devices = fleet["plan"], fleet["devices"]
    by_data, by_gain = np.argsort(devices.local_samples), np.argsort(devices.channel_gain)
    assert np.all(np.diff(plan.bandwidth[by_gain]) < 0)
    assert np.all(np.diff(plan.synthetic_samples[by_data]) < 0)


def test_all_devices_take_the_whole_deadline(fleet: Page) -> None:
    plan = fleet["plan"]
    np.testing.assert_allclose(plan.compute_time + plan.upload_time, plan.constraints.max_latency, rtol=GAP)


def test_equal_shares_take_more_and_no_synthetic_data_misses_the_error(fleet: Page) -> None:
    assert fleet["equal"].energy > fleet["plan"].energy
    assert fleet["none"].global_error > fleet["limits"].max_global_error


def test_a_critical_deadline_takes_several_times_what_a_little_more_does(fleet: Page) -> None:
    energies = [float(found) for found in re.findall(r"^ +[\d.]+ s +([\d.]+) J$", fleet.printed, re.MULTILINE)]
    assert len(energies) == 5
    assert np.all(np.diff(energies) < 0)
    assert energies[0] > SEVERAL * energies[-1]


def test_trade_offs_shows_its_pictures(trade_offs: Page) -> None:
    assert trade_offs.pictures == 2
    assert "warm and cold starts agree to 1e-9: True" in trade_offs.printed


def test_tangents_touch_and_stay_below(trade_offs: Page) -> None:
    devices, limits, task = trade_offs["devices"], trade_offs["limits"], trade_offs["task"]
    for name, (values, points, *_) in trade_offs["axes_of"].items():
        energies = trade_offs["energies"](trade_offs["swept"][name])
        for point, at in zip(points, trade_offs["at_points"][name], strict=True):
            slope = trade_offs["slope"](at, name)
            line = at.energy + slope * (values - point)
            assert np.all(line[np.isfinite(energies)] <= energies[np.isfinite(energies)] * (1 + GAP))
            low, high = (
                fo.solve(devices, fo.Constraints(**{**vars(limits), name: point * (1 + sign * STEP)}), task).energy
                for sign in (-1, 1)
            )
            assert (high - low) / (2 * STEP * point) == pytest.approx(slope, rel=SLOPE_TOL, abs=GAP * at.energy)


def test_the_flat_end_of_the_error_needs_no_synthetic_data(trade_offs: Page) -> None:
    assert trade_offs["enough"].synthetic_samples.sum() == 0
    from_here = trade_offs["from_here"]
    allowed = from_here.constraints.max_synthetic
    assert from_here.synthetic_samples.min() > 0.9 * allowed  # nearly all that is allowed, on every device


def test_a_megahertz_saves_at_most_its_price(trade_offs: Page) -> None:
    rows = re.findall(r"^ *\d+ MHz +[\d.]+ J +([\d.]+) J +([\d.]+) J$", trade_offs.printed, re.MULTILINE)
    most, saved = np.array(rows, np.float64).T
    assert most.size == 6
    assert np.all(saved <= most)
    assert np.all(saved > 0)


def test_the_exchange_rate_leaves_a_little_more_energy(trade_offs: Page) -> None:
    more = trade_offs["swapped"].energy - trade_offs["plan"].energy
    assert 0 <= more < 0.01 * trade_offs["plan"].energy


def test_suggestions_lie_on_the_edge(trade_offs: Page) -> None:
    found, asked = trade_offs["found"], trade_offs["asked"]
    moved = {words: [change.limit for change in relaxation.changes] for words, relaxation in found.items()}
    assert moved["both count alike"] == ["bandwidth", "max_latency"]
    assert isinstance(fo.solve_many([(trade_offs["devices"], asked)], trade_offs["task"])[0], fo.InfeasibleError)
    rows = re.findall(r"^ *\d+ % beyond the edge: +([\d.]+) J$", trade_offs.printed, re.MULTILINE)
    assert float(rows[0]) > SEVERAL * float(rows[-1])


def test_training_shows_its_pictures(training: Page) -> None:
    assert training.pictures == 3


def test_all_runs_but_the_pilot_take_as_many_steps_in_all(training: Page) -> None:
    samples, sizes, public = training["plan"].samples, training["SIZES"], training["public"]
    epochs = np.array([training["EPOCHS"], training["longer"], training["sharing"]])
    per_device = epochs[:, None] * np.array([samples, sizes, sizes + public.size]) / training["BATCH"]
    assert np.ptp(np.round(per_device).sum(axis=1)) <= sizes.size  # each device's are rounded


def test_synthetic_images_help_beyond_the_steps(training: Page) -> None:
    mean, half = training["ahead"]["local, more steps"]
    assert mean > half > 0
    assert training["same_energy"] < training["last"]["local"].mean()


def test_synthetic_images_are_not_better_than_public_ones(training: Page) -> None:
    mean, half = training["ahead"]["public"]
    assert mean - half < 0


def test_devices_matter_where_public_images_are_few_only(training: Page) -> None:
    few, many = (found.mean() for found in training["alone"].values())
    assert few > training["last"]["plan"].mean() > many


def test_the_plan_does_better_than_promised(training: Page) -> None:
    assert training["last"]["plan"].mean() < 100 * training["wanted"]


def test_the_curve_goes_through_the_measurements_and_the_law_ends_where_the_pilot_does(training: Page) -> None:
    curve, pilot = training["curve"], training["pilot"]
    assert np.all(np.abs(curve.residuals) < 3 * training["sigma"])
    assert training["law"][-1] == pytest.approx(pilot[:, -1].mean(), rel=1e-9)
    assert np.all(np.array(training["law"][:-5]) > pilot.mean(axis=0)[:-5])
