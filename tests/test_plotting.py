"""The pictures of a plan: they say what the plan says, all of it can be read, and nothing else changes."""

import io
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.collections import LineCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.text import Text

import fimi_opt as fo
from fimi_opt import plotting
from fimi_opt.plan import Floats
from fimi_opt.plotting.drawing import scale_for
from fimi_opt.plotting.stacks import MOST_BARS, MOST_STEPS
from fimi_opt.scenarios import mixed, paper

ROOT = Path(__file__).resolve().parents[1]
FLEETS = [1, 5, 20, 500, 10_000]
Draw = Callable[..., Axes]
OF_DEVICES: list[Draw] = [plotting.energy, plotting.time_split, plotting.bandwidth_shares, plotting.samples]
EACH: list[Draw] = [*OF_DEVICES, plotting.class_counts]
# Sums of float64 in another order.
ROUNDING = 1e-12
# Pixels by which a text may touch the edge of the figure.
EDGE = 1.0


@cache
def plan_of(devices: int) -> fo.Plan:
    return fo.solve(*paper(1, devices=devices, bandwidth=1e6 * devices))


@cache
def searched() -> fo.Plan:
    search = fo.CrossEntropy(samples=100, elite=10, iterations=12)
    return fo.solve(*paper(0, devices=5, bandwidth=5e6), method="cross-entropy", search=search, rng=0)


def named(names: list[object]) -> fo.Plan:
    plan = plan_of(5)
    return replace(plan, devices=replace(plan.devices, ids=names))


def rendered(figure: object) -> RendererAgg:
    assert isinstance(figure, Figure)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    renderer: RendererAgg = canvas.get_renderer()
    return renderer


def bars(ax: Axes) -> list[list[Rectangle]]:
    """Of each part of the stack: its bars."""
    containers = [container for container in ax.containers if isinstance(container, BarContainer)]
    return [list(container.patches) for container in containers]


def heights(ax: Axes) -> list[list[float]]:
    return [[bar.get_height() for bar in part] for part in bars(ax)]


def drawn_steps(patch: StepPatch) -> tuple[Floats, Floats, Floats]:
    """Tops, edges and bases of a part of a sorted fleet."""
    top, edges, base = patch.get_data()
    return np.asarray(top), np.asarray(edges), np.asarray(base)


def steps(ax: Axes) -> list[StepPatch]:
    return [patch for patch in ax.patches if isinstance(patch, StepPatch)]


def line(ax: Axes, word: str) -> Line2D:
    (found,) = [drawn for drawn in ax.lines if word in str(drawn.get_label())]
    return found


def unit(ax: Axes) -> float:
    """What one of the vertical axis is in SI."""
    prefix = re.search(r"\((.?)(?:J|s|Hz)\)", ax.get_ylabel())
    return {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6}[prefix.group(1)] if prefix else 1.0


def parts_of(plan: fo.Plan, draw: Draw) -> list[Floats]:
    return {
        plotting.energy: [plan.compute_energy, plan.upload_energy],
        plotting.time_split: [plan.compute_time, plan.upload_time],
        plotting.bandwidth_shares: [plan.bandwidth],
        plotting.samples: [plan.devices.local_samples, plan.synthetic_samples],
    }[draw]


@pytest.mark.parametrize("draw", OF_DEVICES)
@pytest.mark.parametrize("devices", [1, 5, 20, MOST_BARS])
def test_bars_are_as_high_as_the_plan_says(draw: Draw, devices: int) -> None:
    plan = plan_of(devices)
    ax = draw(plan)
    parts = parts_of(plan, draw)
    assert len(heights(ax)) == len(parts)
    for drawn, part in zip(heights(ax), parts, strict=True):
        assert np.multiply(drawn, unit(ax)) == pytest.approx(part, rel=ROUNDING, abs=1e-9 * np.max(part))
    stacked = [bar for part in bars(ax) for bar in part]
    assert [bar.get_y() for bar in stacked[:devices]] == [0] * devices
    for below, above in zip(stacked, stacked[devices:], strict=False):
        assert above.get_y() == pytest.approx(below.get_y() + below.get_height(), rel=ROUNDING)
    assert ax.get_xlabel() == "device"


@pytest.mark.parametrize("draw", OF_DEVICES)
@pytest.mark.parametrize("devices", [MOST_BARS + 1, 500, 10_000])
def test_steps_keep_the_sums_and_rise(draw: Draw, devices: int) -> None:
    plan = plan_of(devices)
    ax = draw(plan)
    assert not ax.containers
    parts = parts_of(plan, draw)
    assert len(steps(ax)) == len(parts)
    for patch, part in zip(steps(ax), parts, strict=True):
        top, edges, base = drawn_steps(patch)
        assert len(top) == min(devices, MOST_STEPS)
        assert (edges[0], edges[-1]) == (0, 100)
        area = np.sum((top - base) * np.diff(edges)) / 100 * unit(ax)
        assert area == pytest.approx(part.mean(), rel=ROUNDING)
    order = drawn_steps(steps(ax)[0 if draw is plotting.time_split else -1])[0]
    assert np.all(np.diff(order) >= -ROUNDING * np.max(order))
    assert ax.get_xlabel().startswith(f"% of {devices:,} devices, sorted by ")
    assert ("each step" in ax.get_xlabel()) == (devices > MOST_STEPS)


def test_every_device_of_a_medium_fleet_has_a_step_of_its_own() -> None:
    plan = plan_of(MOST_STEPS)
    lower, upper = (drawn_steps(patch)[0] for patch in steps(plotting.energy(plan)))
    order = np.argsort(plan.compute_energy + plan.upload_energy, kind="stable")
    assert lower == pytest.approx(plan.compute_energy[order], rel=ROUNDING)
    assert upper == pytest.approx((plan.compute_energy + plan.upload_energy)[order], rel=ROUNDING)


@pytest.mark.parametrize("devices", FLEETS)
def test_lines_stand_at_the_deadline_and_at_equal_shares(devices: int) -> None:
    plan = plan_of(devices)
    times = plotting.time_split(plan)
    deadline = line(times, "deadline")
    assert list(deadline.get_ydata()) == [60, 60]  # type: ignore[arg-type]
    assert deadline.get_label() == "deadline 60 s"
    shares = plotting.bandwidth_shares(plan)
    equal = float(np.asarray(line(shares, "equal").get_ydata())[0]) * unit(shares)
    assert equal == pytest.approx(plan.constraints.bandwidth / devices)
    for ax, height in ((times, 60), (shares, equal / unit(shares))):
        assert ax.get_ylim()[0] == 0
        assert ax.get_ylim()[1] > height


def test_the_right_axis_is_in_percent_of_the_band() -> None:
    ax = plotting.bandwidth_shares(plan_of(5))
    rendered(ax.figure)
    (right,) = ax.child_axes
    assert right.get_ylabel() == "% of the band"
    assert right.get_ylim()[1] == pytest.approx(ax.get_ylim()[1] * unit(ax) / 5e6 * 100)


def tick_labels(ax: Axes, which: str) -> list[Text]:
    """Labels of the ticks that are drawn: matplotlib keeps some beyond the ends of an axis."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    first, last = sorted(axis.get_view_interval())
    return [
        label for label, place in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True) if first <= place <= last
    ]


@pytest.mark.parametrize("draw", EACH)
@pytest.mark.parametrize("devices", FLEETS)
@pytest.mark.parametrize("size", [(8, 4), (4, 3)])
def test_all_can_be_read(draw: Draw, devices: int, size: tuple[int, int]) -> None:
    """Nothing is drawn outside the figure, names do not touch, and the legend is not on the data."""
    ax = Figure(figsize=size, layout="constrained").subplots()
    draw(plan_of(devices), ax=ax)
    check_readable(ax)


def check_readable(ax: Axes, renderer: RendererAgg | None = None) -> None:
    figure = ax.figure
    assert isinstance(figure, Figure)
    renderer = renderer or rendered(figure)
    legend = ax.get_legend()
    assert legend is not None
    texts = [*tick_labels(ax, "x"), *tick_labels(ax, "y"), ax.xaxis.label, ax.yaxis.label, *legend.get_texts()]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    assert min(box.x0 for box in boxes) >= -EDGE
    assert min(box.y0 for box in boxes) >= -EDGE
    assert max(box.x1 for box in boxes) <= figure.bbox.x1 + EDGE
    assert max(box.y1 for box in boxes) <= figure.bbox.y1 + EDGE
    names = [text.get_window_extent(renderer) for text in tick_labels(ax, "x") if text.get_text()]
    assert not any(a.overlaps(b) for a, b in combinations(names, 2))
    assert legend.get_window_extent(renderer).y0 >= ax.get_window_extent(renderer).y1 - EDGE


@pytest.mark.parametrize(
    "names",
    [
        ["<script>alert(1)</script>", "a$b$c", r"\frac{1}{0}", "line\nfeed", ""],
        ["Zürich-Ω", "Жук", "naïve café " * 20, "x" * 1000, ("a", 1)],
        [1, 2.5, None, False, 10**30],
    ],
)
@pytest.mark.parametrize("draw", EACH)
def test_any_ids_are_names(draw: Draw, names: list[object]) -> None:
    ax = draw(named(names))
    check_readable(ax)
    assert len(ax.get_xticklabels()) == 5


def test_short_ids_stand_as_they_are_and_long_ones_keep_their_ends() -> None:
    ax = plotting.energy(named(["cam-1", "a$b$c", "microcontroller-in-the-cellar-3", "d", "e"]))
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert shown[0] == "cam-1"
    assert shown[1] == r"a\$b\$c"  # matplotlib's way to write a dollar sign
    assert re.fullmatch(r"micro\w*…\w*lar-3", shown[2])


@pytest.mark.parametrize("devices", [5, 500])
def test_identical_devices(devices: int) -> None:
    same = fo.Devices(np.full(devices, 1250.0), 5e-27, 1.5e9, 1e-10, 0.2)
    plan = fo.solve(same, fo.Constraints(0.2, 200, 60.0, 1e6 * devices, 2000))
    for draw in OF_DEVICES:
        check_readable(draw(plan))


def test_no_synthetic_samples_are_no_bars() -> None:
    plan = fo.solve(*paper(devices=5, bandwidth=5e6, max_global_error=0.9))
    ax = plotting.samples(plan)
    assert heights(ax)[1] == [0] * 5
    check_readable(ax)
    check_readable(plotting.class_counts(plan))


def test_each_class_of_few_devices_is_a_bar() -> None:
    plan = plan_of(5)
    ax = plotting.class_counts(plan)
    assert plan.devices.class_counts is not None
    assert plan.synthetic_by_class is not None
    local, added = heights(ax)
    assert local == pytest.approx(plan.devices.class_counts.ravel(), rel=ROUNDING)
    assert added == pytest.approx(plan.synthetic_by_class.ravel(), rel=1e-9, abs=1e-9)
    assert [label.get_text() for label in ax.get_xticklabels()] == list("01234")
    places = np.array([bar.get_x() for bar in bars(ax)[0]]).reshape(5, 10)
    assert np.all(np.diff(places, axis=1) > 0)
    assert np.all(np.abs(places - np.arange(5)[:, None]) < 0.5)


def test_the_classes_of_one_device_have_names() -> None:
    names = list("abcdefghij")
    ax = plotting.class_counts(plan_of(1), classes=names)
    assert [label.get_text() for label in ax.get_xticklabels()] == names
    assert ax.get_xlabel() == "class"


def test_the_classes_of_many_devices_are_spans() -> None:
    plan = plan_of(500)
    before, added = plan.devices.class_counts, plan.synthetic_by_class
    assert before is not None
    assert added is not None
    ax = plotting.class_counts(plan)
    for part, table in zip(bars(ax), (before, before + added), strict=True):
        low, high = np.quantile(table, (0.05, 0.95), axis=0)
        assert [bar.get_y() for bar in part] == pytest.approx(low, rel=ROUNDING)
        assert [bar.get_y() + bar.get_height() for bar in part] == pytest.approx(high, rel=ROUNDING)
    for lines, table in zip(ax.collections, (before, before + added), strict=True):
        medians = [np.asarray(path.vertices)[0, 1] for path in lines.get_paths()]
        assert medians == pytest.approx(np.median(table, axis=0), rel=ROUNDING)


@pytest.mark.parametrize("classes", [40, 41, 1000])
def test_many_classes_are_spans_of_neighbours(classes: int) -> None:
    plan = fo.solve(*mixed(classes=classes, phones=20))
    ax = plotting.class_counts(plan)
    assert [len(part) for part in bars(ax)] == [40, 40]
    assert ax.get_xlabel() == ("class" if classes == 40 else "classes")
    check_readable(ax)


def test_the_search_is_drawn_to_its_bound() -> None:
    plan = searched()
    ax = plotting.convergence(plan)
    check_readable(ax)
    best, elite = line(ax, "best"), line(ax, "elite")
    assert list(np.asarray(best.get_xdata())) == list(range(1, 13))
    assert np.asarray(best.get_ydata()) * unit(ax) == pytest.approx([step.best for step in plan.history])
    assert np.asarray(elite.get_ydata()) * unit(ax) == pytest.approx([step.elite_mean for step in plan.history])
    bound = np.asarray(line(ax, "bound").get_ydata()) * unit(ax)
    assert bound == pytest.approx([plan.lower_bound] * 2)
    assert best.get_label() == f"best, final gap {plan.gap:.1e}"
    assert ax.get_ylim()[0] < plan.lower_bound / unit(ax)


def test_iterations_without_a_feasible_split_are_left_out() -> None:
    plan = searched()
    first = fo.Iteration(1, np.inf, np.inf, 0.3, 0.0)
    ax = plotting.convergence(replace(plan, history=(first, *plan.history[1:])))
    check_readable(ax)
    drawn = np.asarray(line(ax, "best").get_ydata())
    assert np.isnan(drawn[0])
    assert np.isfinite(drawn[1:]).all()


@pytest.mark.parametrize(
    ("most", "one", "name"),
    [
        (0.0, 1.0, "J"),
        (3.2e-5, 1e-6, "µJ"),
        (0.9999, 1e-3, "mJ"),
        (1.0, 1.0, "J"),
        (999.0, 1.0, "J"),
        (1e3, 1e3, "kJ"),
        (2.5e6, 1e6, "MJ"),
        (1e300, 1e12, "TJ"),
        (1e-300, 1e-9, "nJ"),
    ],
)
def test_prefixes(most: float, one: float, name: str) -> None:
    scale = scale_for("J", most)
    assert scale.one == pytest.approx(one)
    assert scale.unit == name


def test_small_energies_and_times_have_prefixes() -> None:
    ax = plotting.energy(fo.solve(*mixed()))
    assert ax.get_ylabel() == "energy per round (mJ)"
    brief = fo.solve(fo.Devices(100.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.9, 200, 0.9, 1e9, 10))
    ax = plotting.time_split(brief)
    assert ax.get_ylabel() == "time of a round (ms)"
    assert line(ax, "deadline").get_label() == "deadline 900 ms"


@pytest.mark.parametrize("plan", [plan_of(1), plan_of(5), fo.solve(*mixed()), plan_of(500), searched()])
def test_the_overview_has_every_picture(plan: fo.Plan) -> None:
    figure = plotting.overview(plan)
    assert isinstance(figure, Figure)
    labels = [ax.get_ylabel().partition(" (")[0] for ax in figure.axes]
    last = "samples of a device" if len(plan.devices) == 500 else "samples"
    expected = ["training samples", "time of a round", "energy per round", "bandwidth", last]
    assert labels[:5] == expected
    assert labels[5:] == (["energy per round"] if plan.history else [])
    assert f"{plan.energy:.5g} J per round" in figure.get_suptitle()
    renderer = rendered(figure)
    for ax in figure.axes:
        check_readable(ax, renderer)
    boxes = [ax.get_tightbbox(renderer) for ax in figure.axes]
    assert not any(a.overlaps(b) for a, b in combinations([box for box in boxes if box is not None], 2))


def test_the_overview_draws_on_a_part_of_a_figure() -> None:
    figure = Figure(layout="constrained", figsize=(16, 9))
    left, right = cast("list[SubFigure]", figure.subfigures(1, 2))
    assert plotting.overview(plan_of(5), left) is left
    assert len(left.axes) == 5
    assert not right.axes


def test_a_plan_without_classes_has_four_panels() -> None:
    plan = fo.solve(fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    assert len(plotting.overview(plan).axes) == 4


@pytest.mark.parametrize("draw", [*EACH, plotting.convergence])
def test_given_axes_are_drawn_on_and_returned(draw: Draw) -> None:
    left, right = Figure(figsize=(12, 4), layout="constrained").subplots(1, 2)
    plan = searched()
    assert draw(plan, ax=left) is left
    assert left.has_data()
    assert not right.has_data()
    assert draw(plan, right) is right


def test_nothing_global_changes() -> None:
    before = dict(mpl.rcParams)
    for devices in (5, 500):
        rendered(plotting.overview(plan_of(devices)))
    rendered(plotting.convergence(searched()).figure)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


def test_pyplot_is_not_imported() -> None:
    code = "import sys, fimi_opt.plotting; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0


def test_a_style_of_the_users_holds() -> None:
    with mpl.rc_context({"axes.facecolor": "black", "text.color": "white", "axes.labelcolor": "white"}):
        ax = plotting.class_counts(plan_of(500))
        (median, _) = ax.collections
        assert isinstance(median, LineCollection)
        assert np.asarray(median.get_colors()).tolist() == [[1.0, 1.0, 1.0, 1.0]]
        assert bars(ax)[0][0].get_edgecolor() == (0.0, 0.0, 0.0, 1.0)


def test_parts_differ_without_their_colours() -> None:
    for draw in (plotting.energy, plotting.time_split, plotting.samples, plotting.class_counts):
        hatches = [part[0].get_hatch() or "" for part in bars(draw(plan_of(5)))]
        assert len(set(hatches)) == 2
    styles = {(drawn.get_linestyle(), drawn.get_marker()) for drawn in plotting.convergence(searched()).lines}
    assert len(styles) == 3


def test_figures_are_what_notebooks_show() -> None:
    figure = plotting.energy(plan_of(5)).figure
    data = figure._repr_png_()  # type: ignore[union-attr]
    image = plt.imread(io.BytesIO(data), format="png")
    assert image.shape[:2] == (400, 800)
    assert image.std() > 0


def test_what_cannot_be_drawn_is_named() -> None:
    plan = plan_of(5)
    bare = fo.solve(fo.Devices([1250.0, 900.0], 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.2, 200, 60.0, 3e6, 2000))
    with pytest.raises(fo.InvalidInputError, match="class_counts"):
        plotting.class_counts(bare)
    with pytest.raises(fo.InvalidInputError, match="classes has 2 names, but the devices count 10 classes"):
        plotting.class_counts(plan, classes=["a", "b"])
    with pytest.raises(fo.InvalidInputError, match="plan has no history to draw: method 'exact'"):
        plotting.convergence(plan)
    for draw in (*EACH, plotting.convergence, plotting.overview):
        with pytest.raises(fo.InvalidInputError, match=r"plan must be a fimi_opt\.Plan, got dict"):
            draw({})  # type: ignore[operator]
    draws: list[Draw] = [*EACH, plotting.convergence]
    for draw in draws:
        with pytest.raises(fo.InvalidInputError, match=r"ax must be a matplotlib\.axes\.Axes, got Figure"):
            draw(plan, ax=Figure())
    with pytest.raises(fo.InvalidInputError, match=r"figure must be a matplotlib\.figure\.Figure, got Axes"):
        plotting.overview(plan, Figure().subplots())  # type: ignore[arg-type]


def test_a_missing_matplotlib_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("fimi_opt.plotting", "matplotlib"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delattr(fo, "plotting")
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install 'fimi-opt[plot]'")):
        import fimi_opt.plotting  # noqa: F401


def test_the_page_draws_its_pictures(tmp_path: Path) -> None:
    program = runpy.run_path(str(ROOT / "docs" / "plots.py"))
    program["draw"](tmp_path)
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {path.name for path in (ROOT / "docs" / "plots").iterdir()}
    page = (ROOT / "docs" / "plots.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(plots/([^)]+)\)", page)) == drawn
    for name in drawn:
        new, committed = (plt.imread(folder / "plots" / name) for folder in (tmp_path, ROOT / "docs"))
        assert new.shape == committed.shape
