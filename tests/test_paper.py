"""The reproduction of the paper: Table I's arithmetic, rows that outlive an interruption, and every part, tiny."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from paper import ablations, amounts, convergence, curves, limits, readings, schemes, searches, table_one
from paper.__main__ import PARTS, main
from paper.means import mean_of
from paper.page import fill
from paper.progress import plain
from paper.rows import Part, Settings, Store, stamp_of

import fimi_opt as fo
from fimi_opt.baselines import SCHEMES

# Certified gap of the exact method, and relative violations, on fleets like the paper's.
GAP_TOL = 1e-9
# Central differences with a relative step of 1e-4 differ from the derivative by about its square.
SLOPE_TOL = 1e-6
# Formulas in another order differ by rounding.
ROUNDING = 1e-12


def everything(items: Sequence[Settings], name: str) -> Sequence[Settings]:
    """No progress shown."""
    return items


# Table I


def test_every_cell_is_a_whole_number_of_rounds() -> None:
    assert [table_one.rounds(cell) for cell in table_one.cells_of("FIMI")] == [68, 94, 33, 38]
    for cell in table_one.CELLS:
        assert abs(table_one.rounds(cell) / 60 - cell.latency) <= 0.005 + ROUNDING


def test_cells_of_alike_schemes_agree_on_one_energy() -> None:
    for methods, joules in ((("TFL", "SST"), 25.1743), (("FIMI", "HDC", "GAN"), 34.7320), (("SEMI",), 28.7320)):
        interval = table_one.energy(table_one.cells_of(*methods))
        assert interval.low <= interval.high
        assert round(interval.middle, 4) == joules
        for cell in table_one.cells_of(*methods):
            assert round(table_one.rounds(cell) * interval.middle, 2) == pytest.approx(cell.energy, abs=0.011)


def test_schemes_with_other_energies_do_not_agree() -> None:
    with pytest.raises(ValueError, match="do not agree"):
        table_one.energy(table_one.cells_of("TFL", "FIMI"))


def test_an_update_is_117_million_bits() -> None:
    bits = table_one.update_bits()
    assert bits.low <= 117e6 <= bits.high
    assert bits.high - bits.low < 1
    assert not bits.low <= fo.PAPER_TASK.update_bits <= bits.high


def test_latency_as_printed_gives_the_rounded_energies() -> None:
    first = {name: table_one.energy_as_printed(table_one.cells_of(name)[:1]) for name in ("TFL", "FIMI", "SEMI")}
    assert {name: round(value, 2) for name, value in first.items()} == {"TFL": 25.15, "FIMI": 34.83, "SEMI": 28.73}


def test_a_latency_between_two_rounds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.525 h are not a whole number"):
        table_one.rounds(table_one.Cell("", "TFL", 1.0, 0.525, 1.0))


# Means


def test_mean_and_its_interval() -> None:
    found = mean_of([1.0, 2.0, 3.0, 4.0])
    # t(0.975, 3) = 3.182446; the sample's deviation is sqrt(5/3).
    assert found.value == 2.5
    assert found.half == pytest.approx(3.182446305284263 * math.sqrt(5 / 3) / 2, rel=ROUNDING)
    assert mean_of([0.0, 0.0]).text(1) == "0.0"
    with pytest.raises(ValueError, match="two or more, got 1"):
        mean_of([1.0])


# Rows


class Square(NamedTuple):
    number: int
    square: float


class Counter:
    """Squares numbers; interrupts itself when it meets one."""

    def __init__(self, interrupt_at: int = -1) -> None:
        self.asked: list[int] = []
        self._interrupt_at = interrupt_at

    def __call__(self, number: int) -> Square:
        if number == self._interrupt_at:
            raise KeyboardInterrupt
        self.asked.append(number)
        return Square(number, 1 / 3 * number**2)


def squares(measure: Counter) -> Part[Square]:
    settings = [{"number": number} for number in range(5)]
    return Part("squares", Square, measure, settings, texts=lambda rows: {})


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file = tmp_path / "new" / "rows.jsonl"
    first = Counter(interrupt_at=3)
    with pytest.raises(KeyboardInterrupt):
        squares(first).collect(Store(file, "stamp"), everything)
    assert first.asked == [0, 1, 2]
    second = Counter()
    rows = squares(second).collect(Store(file, "stamp"), everything)
    assert second.asked == [3, 4]
    assert rows == [Square(number, 1 / 3 * number**2) for number in range(5)]
    third = Counter()
    assert squares(third).collect(Store(file, "stamp"), everything) == rows
    assert third.asked == []


def test_a_half_written_row_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = squares(Counter()).collect(Store(file, "stamp"), everything)
    whole = file.read_bytes()
    for cut in (1, 7, len(whole.splitlines()[-1])):
        file.write_bytes(whole[:-cut])
        again = Counter()
        assert squares(again).collect(Store(file, "stamp"), everything) == rows
        assert again.asked == [4]
        assert file.read_bytes() == whole


def test_rows_of_other_code_are_not_used(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    squares(Counter()).collect(Store(file, "old"), everything)
    again = Counter()
    squares(again).collect(Store(file, "new"), everything)
    assert again.asked == [0, 1, 2, 3, 4]


def test_other_settings_or_another_part_are_other_rows(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.jsonl", "stamp")
    assert store.row("part", {"x": 1, "y": 2}, lambda: Square(1, 1.0)) == {"number": 1, "square": 1.0}
    assert store.row("part", {"y": 2, "x": 1}, lambda: Square(2, 2.0)) == {"number": 1, "square": 1.0}
    assert store.row("part", {"x": 1, "y": 3}, lambda: Square(2, 2.0)) == {"number": 2, "square": 2.0}
    assert store.row("other", {"x": 1, "y": 2}, lambda: Square(3, 3.0)) == {"number": 3, "square": 3.0}


def test_infinite_gaps_survive_the_file(tmp_path: Path) -> None:
    made = searches.Row(20, 100, 0, [math.inf, 0.1, 1 / 3])
    for _ in range(2):
        row = Store(tmp_path / "rows.jsonl", "stamp").row("searches", {"seed": 0}, lambda: made)
        assert searches.Row(**row) == made


def test_stamp_follows_the_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    before = stamp_of([tmp_path])
    (tmp_path / "notes.txt").write_text("not code\n", encoding="utf-8")
    assert stamp_of([tmp_path]) == before
    (tmp_path / "a.py").write_text("x = 2\n", encoding="utf-8")
    assert stamp_of([tmp_path]) != before


def test_plain_progress_says_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(plain(range(40), "part")) == list(range(40))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0] == "part: 4 of 40 rows"
    assert lines[-1] == "part: 40 of 40 rows"


def test_an_unknown_part_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tables"])
    assert "no part is called tables" in capsys.readouterr().err


# The parts


def test_schemes() -> None:
    rows = {name: schemes.measure(name, 3, 0.4) for name in SCHEMES}
    assert rows["TFL"].energy == rows["SST"].energy
    assert rows["FIMI"].energy == rows["GAN"].energy == rows["HDC"].energy == rows["SEMI"].energy
    assert rows["CLSD"].energy == rows["CLSD"].uplink_bits == rows["CLSD"].latency == 0
    assert 0 < rows["TFL"].upload_energy < rows["TFL"].energy < rows["FIMI"].at_local_data < rows["FIMI"].energy
    assert rows["TFL"].at_local_data == pytest.approx(rows["TFL"].energy, rel=ROUNDING)
    assert rows["FIMI"].uplink_bits == 20 * 111.7 * 2**20
    entropies = [rows[name].entropy or 0.0 for name in ("TFL", "HDC", "FIMI")]
    assert 0 < entropies[0] < entropies[1] < entropies[2] < math.log2(10)
    assert all(row.gap <= GAP_TOL for row in rows.values())


def test_readings() -> None:
    rows = [readings.measure(noise, update, 0) for noise in readings.NOISES for update in readings.UPDATES]
    energies = [row.fimi for row in rows]
    assert energies == sorted(energies, reverse=True)
    assert all(row.tfl < row.fimi for row in rows)


@pytest.mark.parametrize("beta", curves.BETAS)
def test_curves(beta: float) -> None:
    row = curves.measure(beta, 4)
    assert row.synthetic == pytest.approx(6659.0, abs=0.01)
    assert row.tfl < row.fimi


def test_convergence() -> None:
    row = convergence.measure(max_global_error=0.2, samples=60, elite=6, iterations=8)
    assert len(row.best) == len(row.elite_mean) == len(row.feasible) == 8
    assert row.best == sorted(row.best, reverse=True)
    assert row.optimum < row.best[-1]


@pytest.mark.parametrize("sequence", ["coefficients", "distances"])
def test_amounts(sequence: str) -> None:
    row = amounts.measure(sequence, amounts.MIDDLE[sequence], devices=4)
    assert np.diff(row.values) == pytest.approx([(row.values[-1] - row.values[0]) / 3] * 3, rel=ROUNDING)
    assert np.all(np.diff(row.synthetic) < 0)


@pytest.mark.parametrize(("limit", "value"), [("max_global_error", 0.19), ("max_latency", 50.0)])
def test_prices_are_the_slopes(limit: str, value: float) -> None:
    row = limits.measure(limit, value, 1)
    assert row.price_slope < 0
    assert row.difference_slope == pytest.approx(row.price_slope, rel=SLOPE_TOL)


def test_loose_error_limit_has_no_slope() -> None:
    row = limits.measure("max_global_error", 0.25, 1)
    assert row.synthetic == row.price_slope == row.difference_slope == 0


def test_ablations() -> None:
    rows = {name: ablations.measure(name, 2, 0.6) for name in ablations.PLANNERS}
    assert rows["w/o DA"].energy < rows["FIMI"].energy < rows["w/o BA"].energy
    assert rows["w/o OA, uniform"].energy == rows["FIMI"].energy
    assert rows["w/o OA, uniform"].entropy < rows["FIMI"].entropy
    assert rows["w/o OA, proportional"].entropy < rows["w/o OA, uniform"].entropy
    assert rows["w/o DA"].global_error > 0.2
    assert all(row.gap <= GAP_TOL for row in rows.values())


def test_searches() -> None:
    row = searches.measure(devices=5, samples=80, seed=1, iterations=6)
    assert len(row.gaps) == 6
    assert row.gaps == sorted(row.gaps, reverse=True)
    assert row.gaps[-1] > 0


def test_a_search_that_ended_early_keeps_its_gap() -> None:
    row = searches.measure(devices=1, samples=40, seed=0, iterations=60)
    assert len(row.gaps) == 60
    assert row.gaps[-1] == row.gaps[-2]


def tiny(part: Part[Any]) -> Part[Any]:
    """The part with two drops and short searches."""
    settings = [dict(entry) for entry in part.settings if entry.get("seed", 0) in (0, 1)]
    for entry in settings:
        if "iterations" in entry:
            entry["iterations"] = 4 if part.name == "searches" else 30
        if part.name == "convergence":
            entry |= {"samples": 300, "elite": 15}
    return replace(part, settings=settings)


@pytest.mark.slow
def test_the_page_quotes_every_text_once_filled(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.jsonl", "stamp")
    texts: dict[str, str] = {}
    for part in map(tiny, PARTS):
        found = part.texts(part.collect(store, everything))
        assert not texts.keys() & found.keys()
        texts |= found
    page = fill(texts)
    assert "${" not in page
    assert "nan" not in page
    texts["extra"] = texts.pop("drops")
    with pytest.raises(ValueError, match=r"lacks \['drops'\] and does not quote \['extra'\]"):
        fill(texts)
