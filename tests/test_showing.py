"""What print(plan) prints, what notebooks show, and the data frame: short, true, safe, whatever the ids are."""

import re
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import fimi_opt as fo
from fimi_opt import baselines
from fimi_opt.plan.cells import columns_of
from fimi_opt.plan.framing import UNITS
from fimi_opt.scenarios import mixed, paper

# Numbers are shown with three digits or more: half a unit of the third one.
SHOWN = 5e-3
WIDTH = 100
HEADS = ["synthetic", "CPU", "band", "power", "compute", "upload", "compute", "upload"]
UNITS_BELOW = ["samples", "GHz", "kHz", "mW", "s", "s", "J", "J"]
VOID = {"br"}


@cache
def plan_of(devices: int) -> fo.Plan:
    return fo.solve(*paper(1, devices=devices, bandwidth=1e6 * devices))


def decision(plan: fo.Plan) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.column_stack(
        [
            plan.synthetic_samples,
            plan.frequency / 1e9,
            plan.bandwidth / 1e3,
            plan.power * 1e3,
            plan.compute_time,
            plan.upload_time,
            plan.compute_energy,
            plan.upload_energy,
        ]
    )


class Reader(HTMLParser):
    """Reads the tables, refuses what is not closed in order, and notes every tag and attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.tables: list[list[list[str]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(str(value))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
        else:
            self.words += data


@pytest.mark.parametrize("devices", [1, 5, 12])
def test_text_has_a_row_for_each_of_few_devices(devices: int) -> None:
    plan = plan_of(devices)
    head, limits, table = str(plan).split("\n\n")
    assert len(limits.split("\n")) == 5
    titles, units, *rows = (line.split() for line in table.split("\n"))
    assert titles == ["device", *HEADS]
    assert units == UNITS_BELOW
    assert [row[0] for row in rows] == [str(i) for i in range(devices)]
    assert np.array([row[1:] for row in rows], float) == pytest.approx(decision(plan), rel=SHOWN)
    assert len({len(line) for line in table.split("\n")}) == 1
    assert head.startswith(f"FIMI plan of {devices} device{'s' if devices > 1 else ''}, method exact\noptimal: ")


@pytest.mark.parametrize("devices", [13, 500, 10_000])
def test_of_many_devices_the_first_and_the_last_are_shown(devices: int) -> None:
    plan = plan_of(devices)
    rows = str(plan).split("\n\n")[2].split("\n")[2:]
    first = [*range(6)]
    last = [*range(devices - 3, devices)]
    assert [row.split()[0] for row in rows] == [*map(str, first), "...", *map(str, last)]
    assert rows[6] == f"... {devices - 9:,} more devices ..."
    shown = np.array([row.split()[1:] for row in rows if not row.startswith("...")], float)
    assert shown == pytest.approx(decision(plan)[first + last], rel=SHOWN)
    assert max(map(len, str(plan).split("\n"))) <= WIDTH


def test_text_and_html_say_the_same() -> None:
    for plan in (plan_of(1), plan_of(12), plan_of(500)):
        head, limits, devices = str(plan).split("\n\n")
        seen = Reader(plan._repr_html_())
        assert "".join(seen.words.split()) == "".join(head.split())
        for table, text in zip(seen.tables, (limits, devices), strict=True):
            lines = [line for line in text.split("\n") if not line.startswith("...")]
            rows = [row for row in table if not row[0].startswith("…")]
            assert ["".join("".join(row).split()) for row in rows] == ["".join(line.split()) for line in lines]


def test_limits_and_prices() -> None:
    plan = plan_of(20)
    _, *rows = Reader(plan._repr_html_()).tables[0]
    time, band, local, error = rows
    allowed = fo.models.mean_error_limit(0.2, 200, plan.task.learning.zeta)
    assert time == ["time of a round", "60 s", "60 s", f"{plan.prices.latency:.4g} J/s"]
    assert band == ["band", "20 MHz", "20 MHz", f"{plan.prices.bandwidth * 1e6:.4g} J/MHz"]
    price = f"{plan.prices.error * 0.01:.4g} J per 0.01"
    assert local == ["mean local error", f"{plan.mean_error:.6g}", f"{allowed:.6g}", price]
    assert error == ["error after 200 rounds", "0.2", "0.2", ""]
    words = Reader(plan._repr_html_()).words
    assert f"energy {plan.energy:.6g} J per round, lower bound {plan.lower_bound:.6g} J, certified gap " in words


def test_a_price_is_what_its_unit_says() -> None:
    devices, limits, task = paper(1)
    looser = fo.models.global_error(200, plan_of(20).mean_error + 0.01, task.learning.zeta)
    for row, other in (
        (0, replace_limits(limits, max_latency=61.0)),
        (1, replace_limits(limits, bandwidth=21e6)),
        (2, replace_limits(limits, max_global_error=looser)),
    ):
        saved = plan_of(20).energy - fo.solve(devices, other, task).energy
        price = float(Reader(plan_of(20)._repr_html_()).tables[0][1 + row][3].split()[0])
        assert 0.8 * price <= saved <= price * (1 + SHOWN)


def replace_limits(limits: fo.Constraints, **changes: float) -> fo.Constraints:
    names = ("max_global_error", "rounds", "max_latency", "bandwidth", "max_synthetic")
    return fo.Constraints(**({name: getattr(limits, name) for name in names} | changes))


def test_an_open_gap_says_what_to_do() -> None:
    plan = replace(plan_of(5), status=fo.Status.FEASIBLE, lower_bound=0.0)
    for text in (str(plan), Reader(plan._repr_html_()).words):
        words = " ".join(text.split())
        assert f"{fo.Status.FEASIBLE.message}; {fo.Status.FEASIBLE.remedy}" in words
        assert "lower bound 0 J, certified gap 1.0e+00" in words


def test_other_schemes_say_which_problem_and_which_limit_they_do_not_keep() -> None:
    plan = baselines.traditional(*paper(1))
    assert str(plan).startswith(f"{plan.scheme.name} plan of 20 devices")
    assert " ".join(f"the bound is that of its own problem: {plan.scheme.problem}".split()) in " ".join(
        str(plan).split()
    )
    assert str(plan).count(", not kept") == 2
    assert "not kept" not in str(plan_of(20))
    assert "its own problem" not in str(plan_of(20))


def test_no_synthetic_samples_and_identical_devices() -> None:
    same = fo.Devices(np.full(20, 1250.0), 5e-27, 1.5e9, 1e-10, 0.2)
    plan = fo.solve(same, fo.Constraints(0.9, 200, 60.0, 20e6, 2000))
    rows = [row for row in str(plan).split("\n\n")[2].split("\n")[2:] if not row.startswith("...")]
    assert {row.split()[1] for row in rows} == {"0"}
    assert len({" ".join(row.split()[1:]) for row in rows}) == 1
    assert "0 J per 0.01" in str(plan)


IDS = ["<script>alert('x')</script>", 'a & b "c"', "line\nfeed\u202e", "手机" * 300, "Zürich-" + "x" * 10_000]


def named(names: list[object]) -> fo.Plan:
    plan = plan_of(5)
    return replace(plan, devices=replace(plan.devices, ids=names))


def test_ids_are_escaped_and_short() -> None:
    plan = named(list(IDS))
    seen = Reader(plan._repr_html_())
    assert seen.tags <= {"div", "p", "b", "br", "table", "thead", "tbody", "tr", "th", "td"}
    names = [row[0] for row in seen.tables[1][2:]]
    assert names[0] == "<script>alert('x')</s..."
    assert names[1] == 'a & b "c"'
    assert names[2] == repr("line\nfeed\u202e")
    assert all(columns_of(name) <= 24 for name in names)
    rows = str(plan).split("\n\n")[2].split("\n")
    assert len(rows) == 7
    assert len({columns_of(row) for row in rows}) == 1


def test_marks_on_letters_take_no_column() -> None:
    accented = "e\u0301" * 24
    assert str(named([accented, 1, 2, 3, 4])).split("\n\n")[2].split("\n")[2].startswith(accented + " ")
    endless = "e" + "\u0301" * 100_000
    assert len(str(named([endless, 1, 2, 3, 4]))) < 3000


def test_html_needs_nothing_from_elsewhere_and_no_colours() -> None:
    seen = Reader(named(list(IDS))._repr_html_())
    assert set(seen.attributes) <= {"style", "colspan"}
    assert not any(
        re.search(r"url|(?<!; )color|color: (?!inherit)|background", style) for style in seen.attributes["style"]
    )
    assert Reader(plan_of(500)._repr_html_()).attributes["colspan"] == {str(len(HEADS) + 1)}


def test_large_fleets_take_no_memory_to_show() -> None:
    plan = plan_of(10_000)
    once = (str(plan), plan._repr_html_())
    tracemalloc.start()
    try:
        assert (str(plan), plan._repr_html_()) == once
        assert tracemalloc.get_traced_memory()[1] < 80_000  # less than one of the plan's arrays
    finally:
        tracemalloc.stop()
    assert len(once[1]) < 12_000


def test_repr_is_one_line() -> None:
    assert re.fullmatch(r"Plan\(500 devices, [\d.]+ J, gap [\d.e-]+, optimal\)", repr(plan_of(500)))


class TestFrames:
    """to_frame, where pandas is installed."""

    @pytest.mark.parametrize("devices", [1, 5, 500])
    def test_a_row_for_each_device(self, devices: int) -> None:
        pytest.importorskip("pandas")
        plan = plan_of(devices)
        frame = plan.to_frame()
        assert frame.shape == (devices, len(UNITS) + 10)
        assert list(frame.index) == list(range(devices))
        assert frame.index.name == "device"
        for name in UNITS:
            assert np.array_equal(frame[name].to_numpy(), getattr(plan, name))
        table = plan.synthetic_by_class
        assert table is not None
        assert np.array_equal(frame.iloc[:, len(UNITS) :].to_numpy(), table)
        assert set(frame.attrs["units"]) == set(frame)

    def test_ids_and_classes_name_rows_and_columns(self) -> None:
        pytest.importorskip("pandas")
        plan = fo.solve(*mixed(classes=3))
        frame = plan.to_frame(classes=["cat", "dog", "owl"])
        assert list(frame.index) == list(plan.devices.ids)
        assert list(frame)[-3:] == [f"synthetic_by_class_{name}" for name in ("cat", "dog", "owl")]
        assert frame.loc["phone-3", "bandwidth"] == plan.bandwidth[list(plan.devices.ids).index("phone-3")]
        assert frame.attrs["units"]["synthetic_by_class_owl"] == "samples"

    def test_any_ids_are_an_index(self) -> None:
        pytest.importorskip("pandas")
        names: list[object] = ["<b>", ("a", 1), 3, "手机", frozenset({1})]
        frame = named(names).to_frame()
        assert list(frame.index) == names
        assert frame.index.nlevels == 1
        pairs: list[object] = [("a", k) for k in range(5)]
        assert list(named(pairs).to_frame().index) == pairs
        assert named(pairs).to_frame().index.nlevels == 1

    def test_whole_samples_stay_whole_and_a_bare_fleet_has_no_classes(self) -> None:
        pytest.importorskip("pandas")
        whole = fo.solve(*paper(1, devices=5, bandwidth=5e6), integer=True)
        assert {dtype.kind for dtype in whole.to_frame().dtypes.iloc[len(UNITS) :]} == {"i"}
        bare = replace(plan_of(5), devices=replace(plan_of(5).devices, class_counts=None))
        assert list(bare.to_frame()) == list(UNITS)

    def test_the_plan_does_not_change_with_its_frame(self) -> None:
        pytest.importorskip("pandas")
        plan = plan_of(5)
        before = plan.bandwidth.copy()
        frame = plan.to_frame()
        frame.loc[:, :] = 0.0
        frame.attrs["units"].clear()
        assert np.array_equal(plan.bandwidth, before)
        assert set(plan.to_frame().attrs["units"]) == set(frame)

    def test_wrong_class_names_are_named(self) -> None:
        pytest.importorskip("pandas")
        with pytest.raises(fo.InvalidInputError, match="classes has 1 names, but the devices count 10 classes"):
            plan_of(5).to_frame(classes=["a"])
        with pytest.raises(fo.InvalidInputError, match="classes must be unique to name columns, but 'a'"):
            plan_of(5).to_frame(classes=list("abcdefghia"))


def test_a_missing_pandas_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install 'fimi-opt[frame]'")):
        plan_of(5).to_frame()


def test_showing_a_plan_imports_neither_pandas_nor_matplotlib() -> None:
    code = (
        "import sys, fimi_opt as fo\n"
        "plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))\n"
        "print(plan, plan._repr_html_())\n"
        "sys.exit(bool({'pandas', 'matplotlib'} & set(sys.modules)))\n"
    )
    folder = Path(__file__).parent
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
