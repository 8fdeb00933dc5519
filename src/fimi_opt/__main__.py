"""The main job from a shell: ``python -m fimi_opt``."""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import fimi_opt
from fimi_opt.errors import ImplausibleInputWarning, InfeasibleError, InvalidInputError, NumericalError
from fimi_opt.exporting import write_plan
from fimi_opt.plan import Plan
from fimi_opt.reading import read_devices, read_limits
from fimi_opt.report import table
from fimi_opt.scenarios import paper
from fimi_opt.solve import solve

PROGRAM = "python -m fimi_opt"
DONE, FAILED, BAD_INPUT, INFEASIBLE = 0, 1, 2, 3
# What shells report of a program that a signal ended: 128 and the signal's number.
INTERRUPTED, BROKEN_PIPE = 130, 141

_EPILOG = """\
exit status: 0 planned; 2 bad input; 3 no plan meets all limits; 1 anything else

Without arguments, the fleet of the FIMI paper's section V-A is planned.
DEVICES is a CSV file, one row a device, with the columns local_samples, energy_coefficient (J s^2 / cycle^3),
max_frequency (Hz), channel_gain (linear), max_power (W); if wanted id, noise_density (W/Hz), max_synthetic (samples)
and the local samples of each class as class_<name>.
LIMITS is a TOML file: [constraints] max_global_error, rounds, max_latency (s), bandwidth (Hz), max_synthetic; if
wanted [task] cycles_per_sample, local_epochs, update_bits and [task.learning] alpha, beta, gamma, zeta.
The folder examples/ has one of each.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong on one line, without the usage."""
        self.exit(BAD_INPUT, f"error: {message}; see {PROGRAM} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Plan a fleet, print the plan and return the exit status.

    Parameters
    ----------
    arguments
        As in a shell; None for the ones this program was called with.

    Returns
    -------
    int
        0 when planned, 2 on bad input, 3 when no plan meets all limits, 1 when the search failed or the output could
        not be written, 130 on Ctrl-C, 141 on a broken pipe.
    """
    options = _parse(arguments)
    try:
        with _short_warnings():
            return _run(options)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    try:
        title, plan, classes = _plan(options)
        text = f"{title}\n\n{table(plan, all_rows=options.all)}"
        if options.out is not None:
            write_plan(plan, options.out, classes or None)
            text += f"\n\nplan written to {options.out}"
    except InfeasibleError as error:
        return _complain("infeasible", error, INFEASIBLE)
    except InvalidInputError as error:
        return _complain("error", error, BAD_INPUT)
    except NumericalError as error:
        return _complain("error", error, FAILED)
    except OSError as error:
        read = error.filename is not None and error.filename in (options.devices, options.limits)
        what = f"read {error.filename}" if read else f"write {options.out}"  # by its own name, not its draft's
        return _complain("error", f"cannot {what}: {error.strerror or error}", BAD_INPUT)
    return _print(text)


def _plan(options: argparse.Namespace) -> tuple[str, Plan, tuple[str, ...]]:
    """Return a title, the plan, and the classes' names where the devices file has them."""
    if options.devices is None:
        seed = options.seed or 0
        scenario = paper(seed)
        return f"{len(scenario.devices)} devices of the FIMI paper's section V-A, seed {seed}", solve(*scenario), ()
    devices, synthetic, classes = read_devices(options.devices)
    constraints, task = read_limits(options.limits, synthetic)
    title = f"{len(devices):,} device{'s'[: len(devices) > 1]} of {options.devices}, limits of {options.limits}"
    return title, solve(devices, constraints, task), classes


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog=PROGRAM,
        description="Plan a federated-learning fleet with the least energy per round, and prove it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("devices", nargs="?", metavar="DEVICES", help="the fleet, a CSV file")
    parser.add_argument("--limits", metavar="LIMITS", help="the limits and the task, a TOML file")
    parser.add_argument("--out", metavar="FILE", help="write the plan as JSON too")
    parser.add_argument("--all", action="store_true", help="show every device of a fleet of more than 40")
    parser.add_argument("--seed", type=_seed, metavar="N", help="which drop of the built-in fleet, from 0 on")
    parser.add_argument("--version", action="version", version=f"fimi_opt {fimi_opt.__version__}")
    options = parser.parse_args(arguments)
    if options.devices is None and options.limits is not None:
        parser.error("--limits needs a devices file before it")
    if options.devices is not None and options.limits is None:
        parser.error(f"the limits for {options.devices} are missing: add --limits LIMITS.toml")
    if options.devices is not None and options.seed is not None:
        parser.error("--seed is for the built-in fleet, not for a devices file")
    return options


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"must be a whole number of at most 18 digits, got {text!r}")
    return int(text)


def _complain(kind: str, reason: object, status: int) -> int:
    print(f"{kind}: {_one_line(reason)}", file=sys.stderr)
    return status


def _one_line(words: object) -> str:
    """Return a message on one line, whatever file names and values hold."""
    return " ".join(str(words).split())


def _print(text: str) -> int:
    """Print to standard output, which may be a pipe that nobody reads any longer, or a full disk."""
    if sys.stdout is None:
        return _complain("error", "standard output is closed", FAILED)
    try:
        # An id may hold what the terminal's encoding does not.
        encoding = sys.stdout.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as error:
        _drop_output()
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE
        return _complain("error", f"standard output: {error.strerror or error}", FAILED)
    return DONE


def _drop_output() -> None:
    """Let the interpreter's last flush, which would complain once more, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Show warnings of implausible input as one line each."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"warning: {_one_line(message)}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", ImplausibleInputWarning)
        warnings.showwarning = show
        yield


if __name__ == "__main__":
    sys.exit(main())
