"""Devices and limits files: what is read, and that every mistake is named with its file and line."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fimi_opt as fo
from fimi_opt.reading import read_devices, read_limits

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

DEVICES = """\
id,local_samples,energy_coefficient,max_frequency,channel_gain,max_power
a,1250,5e-27,1.5e9,3e-11,0.2
b,900,4e-27,2e9,1e-10,0.1
"""
LIMITS = """\
[constraints]
max_global_error = 0.2
rounds = 200
max_latency = 60
bandwidth = 3e6
max_synthetic = 2000
"""
TASK = (
    LIMITS
    + """
[task]
cycles_per_sample = 1e6
local_epochs = 2
update_bits = 1e7
[task.learning]
alpha = 2.0
beta = 0.3
gamma = -0.1
zeta = 50
"""
)

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes) -> Path:
        path = tmp_path / "file.txt"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """Return the message without the folder."""
    with pytest.raises(fo.InvalidInputError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(f"{path.parent}/")


def test_devices_are_read(write: Write) -> None:
    fleet = read_devices(write(DEVICES))
    assert fleet.devices == fo.Devices([1250, 900], [5e-27, 4e-27], [1.5e9, 2e9], [3e-11, 1e-10], [0.2, 0.1], ids="ab")
    assert fleet.max_synthetic is None
    assert fleet.classes == ()


def test_optional_columns_in_any_order(write: Write) -> None:
    fleet = read_devices(
        write(
            "max_synthetic,class_cat,max_power,class_big dog,channel_gain,noise_density,max_frequency,"
            "energy_coefficient,local_samples\n"
            "500,3,.2,7,1e-10,8e-21,+1.5E9,5e-27,10.\n"
        )
    )
    devices = fleet.devices
    assert devices.class_counts is not None
    assert devices.class_counts.tolist() == [[3, 7]]
    assert fleet.classes == ("cat", "big dog")
    assert fleet.max_synthetic is not None
    assert fleet.max_synthetic.tolist() == [500]
    assert devices.noise_density.tolist() == [8e-21]
    assert devices.local_samples.tolist() == [10]
    assert list(devices.ids) == [0]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "# first\n\n" + text.replace("\nb", "\n  # comment, with a comma\n \t\n,,,,,\nb") + "\n\n",
        lambda text: text.replace(",", " ,\t "),
        lambda text: text.replace("1250", '"1250"').replace("max_power", '"max_power"'),
        lambda text: text.rstrip("\n"),
    ],
)
def test_how_it_is_written_does_not_matter(write: Write, change: Callable[[str], str]) -> None:
    assert read_devices(write(change(DEVICES))).devices == read_devices(write(DEVICES)).devices


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "file.txt is empty: its first line must name the columns local_samples, energy_coefficient, "),
        ("\n# nothing\n", "file.txt is empty: "),
        (DEVICES.split("\n")[0], "file.txt has no devices: below line 1 there must be one row for each"),
        (DEVICES.replace("max_power", "noise_density"), "file.txt, line 1: missing column max_power"),
        (
            "id\nx",
            "line 1: missing columns local_samples, energy_coefficient, max_frequency, channel_gain and max_power",
        ),
        (
            "#\n" + DEVICES.replace("channel_gain", "chanel_gain"),
            "line 2: unknown column 'chanel_gain': did you mean 'ch",
        ),
        (DEVICES.replace("max_power", "Max_Power"), "line 1: unknown column 'Max_Power': did you mean 'max_power'?"),
        (DEVICES.replace("id,", "colour,"), "line 1: unknown column 'colour': known are local_samples, energy_coeff"),
        (DEVICES.replace("id,", ","), "line 1: column 1 has no name"),
        (DEVICES.replace("id,", "class_,"), "line 1: a class_ column needs a class's name"),
        (DEVICES.replace("id,", "max_power,"), "line 1: column 'max_power' stands twice"),
        (DEVICES.split("\n", 1)[1], "line 1: the first row must name the columns, but it holds the number '1250'"),
        (DEVICES.replace(",", ";"), "line 1: columns are separated by semicolons: separate them by commas, and write "),
        (DEVICES.replace(",", "\t"), "line 1: columns are separated by tabs: separate them by commas"),
        (DEVICES.replace(",0.1", ""), "line 3: the row has 5 values, but there are 6 columns"),
        (
            DEVICES.replace("\na,", "\n\n\na,").replace("0.2", "0,2"),
            "line 4: the row has 7 values, but there are 6 columns (is there a decimal",
        ),
        (DEVICES + "c\n", "line 4: the row has 1 value, but there are 6 columns"),
        (DEVICES.replace("0.2", '"0,2"'), "line 2: max_power must be a number (W), got '0,2': write a decimal point"),
        (DEVICES.replace("0.2", "23 dBm"), "line 2: max_power must be a number (W), got '23 dBm'"),
        (DEVICES.replace("900", ""), "line 3: local_samples is empty"),
        (DEVICES.replace("900", "nan"), "line 3: local_samples must be a number (samples), got 'nan'"),
        (DEVICES.replace("900", "1_000"), "line 3: local_samples must be a number (samples), got '1_000'"),
        (DEVICES.replace("900", "٩٠٠"), "line 3: local_samples must be a number (samples), got '٩٠٠'"),
        (DEVICES.replace("900", "9" * 400), "line 3: local_samples must be finite, got inf"),
        (DEVICES.replace("900", "x" * 400), f"line 3: local_samples must be a number (samples), got '{'x' * 37}...'"),
        (DEVICES.replace("900", "0"), "line 3: local_samples must be positive, got 0"),
        (
            DEVICES.replace("1e-10", "-105"),
            "line 3: channel_gain must be positive, got -105 (is it in dB? It must be a",
        ),
        (
            DEVICES.replace("1e-10", "105"),
            "line 3: channel_gain must be at most 0.99999999999999989, got 105 (is it in dB? It must",
        ),
        (DEVICES.replace("b,", "a,"), "line 3: id 'a' stands on line 2 already"),
        (DEVICES.replace("b,", ","), "line 3: id is empty"),
        (DEVICES.replace("b,", "b\x07,"), r"line 3: id must be printable text, got 'b\x07'"),
        (
            DEVICES.replace("b,", '"b,'),
            'line 3: not a row of comma-separated values: a quotation mark (") is not closed',
        ),
        (DEVICES.replace("b,", '"b"c,'), "line 3: not a row of comma-separated values: ',' expected after '\"'"),
        (DEVICES.encode("utf-16"), "file.txt is UTF-16 text: save it as UTF-8"),
        (DEVICES.encode("utf-32"), "file.txt is UTF-32 text: save it as UTF-8"),
        (DEVICES.replace("b,", "é,").encode("latin-1"), "line 3: byte 0xe9 is not UTF-8 text: save the file as UTF-8"),
        (
            b"\xef\xbb\xbf" + DEVICES.replace("\nb,", "\né,").encode("latin-1"),
            "line 3: byte 0xe9 is not UTF-8 text: save the file as UTF-8",
        ),
    ],
)
def test_mistakes_in_devices_are_named(write: Write, text: str | bytes, words: str) -> None:
    assert words in refusal(read_devices, write(text))


@pytest.mark.parametrize(
    ("columns", "values", "words"),
    [
        (
            "class_cat,class_dog",
            ("1250,0", "800,99"),
            "line 3: the class_ columns sum to 899, but its local_samples is",
        ),
        (
            "class_cat,class_dog",
            ("1251,-1", "900,0"),
            "line 2: class_dog must be at least 0 and at most 1e+18, got '-1'",
        ),
        ("max_synthetic", ("5", "-5"), "line 3: max_synthetic must be at least 0 and at most 1e+18, got '-5'"),
        ("max_synthetic", ("5", "1e999"), "line 3: max_synthetic must be at least 0 and at most 1e+18, got '1e999'"),
        ("max_synthetic", ("5", ""), "line 3: max_synthetic is empty"),
        ("class_cat", ("1250", "many"), "line 3: class_cat must be a number (samples), got 'many'"),
        ("noise_density", ("4e-21", "-174"), "line 3: noise_density must be positive, got -174 (is it in dBm/Hz? It"),
    ],
)
def test_mistakes_in_optional_columns(write: Write, columns: str, values: tuple[str, str], words: str) -> None:
    lines = DEVICES.split("\n")
    text = f"{lines[0]},{columns}\n{lines[1]},{values[0]}\n{lines[2]},{values[1]}\n"
    assert words in refusal(read_devices, write(text))


def test_implausible_values_warn_with_their_line(write: Write) -> None:
    path = write(DEVICES.replace("0.1", "23"))
    with pytest.warns(fo.ImplausibleInputWarning) as caught:
        read_devices(path)
    assert [str(w.message) for w in caught] == [f"{path}, line 3: max_power is 23: is it in dBm? It must be in W"]
    assert caught[0].filename == __file__


def test_limits_are_read_with_the_papers_task(write: Write) -> None:
    constraints, task = read_limits(write(LIMITS))
    assert constraints == fo.Constraints(0.2, 200, 60.0, 3e6, 2000)
    assert task == fo.PAPER_TASK


def test_task_is_read(write: Write) -> None:
    assert read_limits(write(TASK)).task == fo.Task(fo.LearningCurve(2.0, 0.3, -0.1, 50.0), 1e6, 2, 1e7)
    only_curve = re.sub(r"(?s)\[task\].*?\[task.l", "[task.l", TASK)
    assert read_limits(write(only_curve)).task == fo.Task(
        fo.LearningCurve(2.0, 0.3, -0.1, 50.0),
        fo.PAPER_TASK.cycles_per_sample,
        fo.PAPER_TASK.local_epochs,
        fo.PAPER_TASK.update_bits,
    )
    only_work = TASK[: TASK.index("[task.learning]")]
    assert read_limits(write(only_work)).task == fo.Task(fo.PAPER_TASK.learning, 1e6, 2, 1e7)


def test_synthetic_limit_of_each_device(write: Write) -> None:
    path = write(LIMITS.replace("max_synthetic = 2000\n", ""))
    limits = read_limits(path, np.array([5.0, 6.0])).constraints
    assert np.asarray(limits.max_synthetic).tolist() == [5, 6]


def test_synthetic_limit_is_given_once(write: Write) -> None:
    said = refusal(lambda path: read_limits(path, np.array([5.0, 6.0])), write(LIMITS))
    assert said == "file.txt, line 6: max_synthetic is a column of the devices file already: take it out there or here"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "file.txt has no table [constraints] with max_global_error, rounds, max_latency, bandwidth and max_synth"),
        ("constraints = 3", "file.txt, line 1: constraints must be a table, [constraints]"),
        ("[[constraints]]", "constraints must be a table, [constraints]"),
        (
            LIMITS.replace("[constraints]\n", ""),
            "line 1: max_global_error stands outside of any table: it belongs below",
        ),
        (LIMITS + "[tasks]", "line 7: unknown key 'tasks': did you mean 'task'?"),
        (
            LIMITS.replace("bandwidth", "bandwith"),
            "line 5: unknown key 'bandwith' in [constraints]: did you mean 'bandw",
        ),
        (
            LIMITS + "delay = 3\n",
            "line 7: unknown key 'delay' in [constraints]: known are max_global_error, rounds, max",
        ),
        (
            "\n" + LIMITS.replace("rounds = 200\nmax_latency = 60\n", ""),
            "line 2: [constraints] lacks rounds and max_lat",
        ),
        (
            LIMITS[: LIMITS.index("max_syn")],
            "line 1: [constraints] lacks max_synthetic (or give max_synthetic as a colu",
        ),
        (LIMITS.replace("200\n", '"200"\n'), "line 3: rounds must be a number, got the text '200'"),
        (LIMITS.replace("200\n", "true\n"), "line 3: rounds must be a number, got the bool 'True'"),
        (LIMITS.replace("2000", "[2, 3]"), "line 6: max_synthetic must be a number, got the list '[2, 3]'"),
        (LIMITS.replace("200\n", "9" * 400 + "\n"), "line 3: rounds is too large for a float64"),
        (LIMITS.replace("200\n", "9" * 5000 + "\n"), "file.txt holds a number of more digits than can be read"),
        (LIMITS.replace("0.2", "20"), "line 2: max_global_error must be in (0, 1), got 20"),
        (LIMITS.replace("60", "-60"), "line 4: max_latency must be positive, got -60"),
        (LIMITS.replace("60", "nan"), "line 4: max_latency must be finite, got nan"),
        (LIMITS.replace("60", "0,2"), "line 4: not TOML: expected newline or end of document after a statement"),
        (
            LIMITS.replace("max_latency = 60", "max latency = 60"),
            "line 4: not TOML: expected '=' after a key in a key/v",
        ),
        (LIMITS + "rounds = 3\n", "line 7: not TOML: cannot overwrite a value (is a key given twice?)"),
        (LIMITS + "rounds =", "line 7: not TOML: invalid value"),
        ("a = " + "[" * 5000, "file.txt is not TOML: it is nested too deeply"),
        ("constraints.rounds = 'x'", "line 1: rounds must be a number, got the text 'x'"),
        ('["constraints"]\n"rounds" = "x"', "line 2: rounds must be a number, got the text 'x'"),
        ("constraints = {rounds = 'x'}", "file.txt: rounds must be a number, got the text 'x'"),
        (LIMITS + "task = 3", "unknown key 'task' in [constraints]"),
        ("task = 3\n" + LIMITS, "line 1: task must be a table, [task]"),
        (TASK.replace("local_epochs = 2\n", ""), "line 8: [task] lacks local_epochs"),
        (TASK.replace("gamma = -0.1\n", ""), "line 12: [task.learning] lacks gamma"),
        (TASK.replace("zeta", "eta"), "line 16: unknown key 'eta' in [task.learning]: did you mean 'zeta'?"),
        (TASK.replace("alpha = 2.0", "alpha = -2.0"), "line 13: alpha must be positive, got -2"),
        (TASK.replace("= 1e7", "= 0"), "line 11: update_bits must be positive, got 0"),
        (LIMITS + "[task]\nlearning = 3", "line 8: task.learning must be a table, [task.learning]"),
        (b"\xff", "file.txt, line 1: byte 0xff is not UTF-8 text: save the file as UTF-8"),
    ],
)
def test_mistakes_in_limits_are_named(write: Write, text: str | bytes, words: str) -> None:
    assert words in refusal(read_limits, write(text))


@pytest.mark.parametrize("read", [read_devices, read_limits])
def test_unreadable_files_are_os_errors(tmp_path: Path, read: Callable[[Path], object]) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(OSError, match=path.name):
            read(path)


def test_example_pair_can_be_planned() -> None:
    fleet = read_devices(EXAMPLES / "devices.csv")
    constraints, task = read_limits(EXAMPLES / "limits.toml", fleet.max_synthetic)
    plan = fo.solve(fleet.devices, constraints, task)
    assert plan.status is fo.Status.OPTIMAL
    assert plan.synthetic_by_class is not None
    assert plan.synthetic_by_class.shape == (8, 4)


def message_of(read: Callable[[Path], object], path: Path, content: bytes) -> str:
    """Message of the refusal, empty where the file is read; any other exception fails the test."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fo.ImplausibleInputWarning)
        try:
            read(path)
        except fo.InvalidInputError as error:
            return str(error)
    return ""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file.txt"


MANY = 100_000  # far more than a limit of any parser, small enough for a line of a test
COLUMNS, FIRST, _, _ = DEVICES.split("\n")


# Each of these once took minutes, gigabytes, or ended in another exception.
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DEVICES.replace("1250", "1" * MANY + "x"), "line 2: local_samples must be a number (samples), got '1111111"),
        (f"{COLUMNS}{',id' * MANY}\n", "line 1: column 'id' stands twice"),
        (
            f"{COLUMNS},{','.join(f'class_{k}' for k in range(MANY))}\n{FIRST}\n",
            "line 2: the row has 6 values, but there are 100006 columns",
        ),
        (DEVICES.replace("a,", "x" * 2 * MANY + ","), "line 2: not a row of comma-separated values: field larger than"),
        ("\ufeff" + "\ufeff" + DEVICES, "line 1: unknown column '\\ufeffid': did you mean 'id'?"),
        (DEVICES.replace("a,", "a\0,"), r"line 2: id must be printable text, got 'a\x00'"),
        ("\0" * MANY, "line 1: unknown column '"),
        ('"' * MANY, "line 1: unknown column '"),
        ("\r" * MANY, "file.txt is empty: "),
    ],
)
def test_hostile_devices_are_refused_at_once(write: Write, text: str, words: str) -> None:
    said = refusal(read_devices, write(text))
    assert words in said
    assert len(said) < 500


def test_one_long_value_costs_the_others_no_room(write: Write) -> None:
    """NumPy would give each of the 10,000 its length: 4 GB."""
    rows = [FIRST.replace("a,", f"d{k},") for k in range(10_000)]
    rows[0] = rows[0].replace("1250", "0" * MANY + "1250")
    assert read_devices(write("\n".join([COLUMNS, *rows]))).devices.local_samples.tolist() == [1250.0] * 10_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LIMITS + "x = [" + " " * 8000 + "\n]", "line 7: unknown key 'x' in [constraints]"),
        (" " * 4000 + "x" + " " * 4000 + "= 1", "line 1: unknown key 'x'"),
        ("constraints.rounds" + ".a" * 4000 + " = 1", "file.txt: rounds must be a number, got the dict '...'"),
        (LIMITS.replace("200\n", f"[0x{'f' * 5000}]\n"), "line 3: rounds must be a number, got the list '...'"),
        (LIMITS.replace("200\n", f"0x{'f' * 5000}\n"), "line 3: rounds is too large for a float64"),
        (f"[{'a' * 8000}]\n[{'a' * 8000}]", "line 2: not TOML: cannot declare ('aaaaaaaaa"),
        ("a" + ".a" * MANY + " = 1", "file.txt has more than 65536 characters: it is no limits file"),
        ("\n" + "a" + ".a" * 5000 + " = 1", "line 2: the line has more than 8192 characters"),
        ("a = " + "{a=" * 2000, "file.txt is not TOML: it is nested too deeply"),
        (LIMITS + "\0", "line 7: not TOML: invalid statement"),
        ("\ufeff\ufeff" + LIMITS, "line 1: not TOML: invalid statement"),
        (LIMITS.replace("200\n", "1e999999999\n"), "line 3: rounds must be finite, got inf"),
        (LIMITS.replace("200\n", "1979-05-27\n"), "line 3: rounds must be a number, got the date '1979-05-27'"),
    ],
)
def test_hostile_limits_are_refused_at_once(write: Write, text: str, words: str) -> None:
    said = refusal(read_limits, write(text))
    assert words in said
    assert len(said) < 500


@pytest.mark.parametrize("read", [read_devices, read_limits])
def test_a_name_that_no_file_can_have_is_refused(read: Callable[[str], object]) -> None:
    with pytest.raises(fo.InvalidInputError, match=r"path 'a\\x00b' is no name of a file"):
        read("a\0b")


PIECES = [
    "1",
    "-1",
    "1e400",
    "nan",
    ",",
    ";",
    '"',
    "'",
    "#",
    "\n",
    "\r",
    "\x00",
    "=",
    "[",
    "]",
    "{",
    "é",
    "[task]\n",
    "\ufeff",
    "0x",
    "9" * 400,
]
PIECES += [".a" * 400, "[" * 400, " " * 400, "max_power,", "id,", "rounds = 1\n", "class_x,", '"""', "\\ud800", "\x85"]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """Return a good file after a few cuts and insertions."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(start + 12, len(text))))
        text = text[:start] + draw(st.sampled_from(PIECES) | st.text(max_size=4)) + text[stop:]
    return text.encode("utf-8", "surrogatepass")


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode()) | damaged(DEVICES))
def test_any_devices_file_is_read_or_refused(scratch: Path, content: bytes) -> None:
    message = message_of(read_devices, scratch, content)
    assert not message or (message.startswith(str(scratch)) and "\n" not in message and len(message) < 500)


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode()) | damaged(TASK))
def test_any_limits_file_is_read_or_refused(scratch: Path, content: bytes) -> None:
    message = message_of(read_limits, scratch, content)
    assert not message or (message.startswith(str(scratch)) and "\n" not in message and len(message) < 500)
