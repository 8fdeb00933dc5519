"""Plans for NVFlare: every site gets its own device's plan with the job, and counts by it (docs: any framework).

On the server :func:`hand_over`; in the client's script :func:`read_plan`, and :func:`weight` with each update. Only
:func:`hand_over` needs NVFlare itself.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from fimi_opt._extras import require
from fimi_opt.adapters.device_plan import DevicePlan, parse, records_of
from fimi_opt.errors import InvalidInputError
from fimi_opt.plan import Plan
from fimi_opt.plan.document import id_texts

# The client's script finds its plan behind this argument.
ARGUMENT = "--fimi-plan"
# FedAvg's weight in the meta of an FLModel: nvflare.apis.fl_constant.FLMetaKey.NUM_STEPS_CURRENT_ROUND.
NUM_STEPS = "NUM_STEPS_CURRENT_ROUND"

# What nvflare.apis.utils.format_check takes for a client, and the target that it keeps for itself.
_SITE = re.compile(r"[A-Za-z0-9_-]+")
_RESERVED = "server"


def hand_over(
    recipe: Any, plan: Plan, sites: Mapping[str, str | int] | None = None, *, classes: Sequence[str] | None = None
) -> None:
    """Give every site of a recipe its device's plan; to be called right after the recipe was made.

    The plan is put behind the recipe's own `train_args`. Recipes are those that have `train_args` and take
    ``nvflare.recipe.set_per_site_config``: FedAvgRecipe and what is made of it.

    Parameters
    ----------
    recipe
        The recipe; its `min_clients` must be the number of sites, and it must have no `aggregation_weights`.
    plan
        The plan, of :func:`fimi_opt.solve` or a comparison scheme in which the devices alone train.
    sites
        Device id of each site, by the site's name; None where the ids are the sites' names.
    classes
        Names of the classes, (C,); by default "0", "1", ...

    Raises
    ------
    ModuleNotFoundError
        If NVFlare is not installed; it gives the line that installs it.
    ValueError
        As :func:`per_site_config`; and if the recipe has no `train_args`, would train on some of the sites only, or has
        weights of its own, by which NVFlare would multiply the plan's.

    Examples
    --------
    >>> hand_over(recipe, plan, {"site-1": "phone-1", "site-2": "phone-2"})  # doctest: +SKIP
    """
    require("nvflare", "nvflare")
    from nvflare.recipe import set_per_site_config

    arguments = getattr(recipe, "train_args", None)
    if not isinstance(arguments, str):
        raise InvalidInputError(
            f"recipe must have train_args, by which scripts get their plan: {type(recipe).__name__}"
        )
    config = per_site_config(plan, sites, train_args=arguments, classes=classes)
    least = getattr(recipe, "min_clients", len(config))
    if least != len(config):
        raise InvalidInputError(
            f"min_clients of the recipe is {least}, but the plan has {len(config)} devices: "
            "NVFlare would choose so many sites for each round"
        )
    if getattr(recipe, "aggregation_weights", None):
        raise InvalidInputError("aggregation_weights of the recipe would be multiplied by the plan's: leave them out")
    set_per_site_config(recipe, config)


def per_site_config(
    plan: Plan,
    sites: Mapping[str, str | int] | None = None,
    *,
    train_args: str | Mapping[str, str] = "",
    classes: Sequence[str] | None = None,
) -> dict[str, dict[str, str]]:
    """Arguments for ``nvflare.recipe.set_per_site_config``: each site's `train_args` with its plan behind them.

    Parameters
    ----------
    plan
        The plan.
    sites
        Device id of each site, by the site's name; None where the ids are the sites' names.
    train_args
        Other arguments of the scripts, for all sites or by the site's name. A site's arguments take the place of the
        recipe's, which have to be repeated here.
    classes
        Names of the classes, (C,); by default "0", "1", ...

    Returns
    -------
    dict
        ``{site: {"train_args": text}}``, to which other keys of NVFlare can be added.

    Raises
    ------
    ValueError
        If the plan's devices do not train alone, a device has no site or two, a site's device is not in the plan, a
        name is none that NVFlare takes, or `train_args` has not the same sites; it names them. And as
        :meth:`fimi_opt.Plan.to_dict`.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> per_site_config(plan, {"site-1": 0}, train_args="--epochs 1")["site-1"]["train_args"]
    '--epochs 1 --fimi-plan %7B%22schema%22%3A%22fimi-plan%2F1%22...'
    """
    devices = _devices_of(plan, sites)
    if not isinstance(train_args, str | Mapping):
        raise InvalidInputError(
            f"train_args must be text, or a mapping of the sites' names to it, got {train_args!r:.80}"
        )
    given = dict.fromkeys(devices, train_args) if isinstance(train_args, str) else dict(train_args)
    if given.keys() != devices.keys():
        raise InvalidInputError(f"train_args must have the same sites, but differs in {_named(given.keys() ^ devices)}")
    for site, text in given.items():
        if not isinstance(text, str):
            raise InvalidInputError(f"train_args of site {site!r} must be text, got {text!r:.80}")
    records = records_of(plan, classes)
    return {
        site: {"train_args": f"{given[site]} {ARGUMENT} {_written(records[device])}".lstrip()}
        for site, device in devices.items()
    }


def num_steps(plan: Plan, sites: Mapping[str, str | int] | None = None) -> dict[str, float]:
    """D_loc + D_gen (samples) of each site: what its ``NUM_STEPS_CURRENT_ROUND`` is to be.

    For clients that send no number of steps, of which NVFlare then takes 1, this is the recipe's `aggregation_weights`;
    NVFlare multiplies the two.

    Parameters
    ----------
    plan
        The plan.
    sites
        Device id of each site, by the site's name; None where the ids are the sites' names.

    Returns
    -------
    dict
        Samples of each site, by its name.

    Raises
    ------
    ValueError
        As :func:`per_site_config`.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> num_steps(plan, {"site-1": 0})
    {'site-1': 900.0}
    """
    devices = _devices_of(plan, sites)
    samples = dict(zip(id_texts(plan.devices.ids), plan.samples.tolist(), strict=True))
    return {site: samples[device] for site, device in devices.items()}


def read_plan(arguments: Sequence[str] | None = None) -> DevicePlan:
    """Plan of the device that a client's script runs on, from the script's arguments.

    A script that parses its arguments itself uses ``parser.parse_known_args()``, or knows of ``--fimi-plan``.

    Parameters
    ----------
    arguments
        The script's arguments; by default those of ``sys.argv``.

    Returns
    -------
    DevicePlan
        The plan, under the names of ``Plan.to_dict()``.

    Raises
    ------
    ValueError
        If there is no ``--fimi-plan`` or two, or what follows it is no plan of this version; it names the key.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> read_plan(per_site_config(plan)["0"]["train_args"].split()).num_examples
    900.0
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    places = [k for k, word in enumerate(words) if word == ARGUMENT]
    if len(places) != 1 or places[0] + 1 == len(words):
        raise InvalidInputError(
            f"arguments must have {ARGUMENT} once, with a plan behind it, got it {len(places)} times"
        )
    try:
        record = json.loads(unquote(words[places[0] + 1], errors="strict"))
    except ValueError as error:
        raise InvalidInputError(f"{ARGUMENT} has no plan behind it: {error}") from None
    if not isinstance(record, dict):
        raise InvalidInputError(f"{ARGUMENT} has no plan behind it, got {record!r:.40}")
    return parse(record)


def weight(plan: DevicePlan) -> dict[str, float]:
    """Meta of the ``FLModel`` that a client sends; without it NVFlare counts the update as one sample, in silence.

    Parameters
    ----------
    plan
        The client's plan.

    Returns
    -------
    dict
        ``{"NUM_STEPS_CURRENT_ROUND": D_loc + D_gen}``.

    Raises
    ------
    ValueError
        If `plan` is not what :func:`read_plan` returns.

    Examples
    --------
    >>> import fimi_opt as fo
    >>> plan = fo.solve(fo.Devices(900.0, 5e-27, 1.5e9, 1e-10, 0.2), fo.Constraints(0.3, 200, 60.0, 3e6, 2000))
    >>> weight(read_plan(per_site_config(plan)["0"]["train_args"].split()))
    {'NUM_STEPS_CURRENT_ROUND': 900.0}
    """
    if not isinstance(plan, DevicePlan):
        raise InvalidInputError(f"plan must be what read_plan() returned, got {plan!r:.80}")
    return {NUM_STEPS: plan.num_examples}


def _written(record: dict[str, Any]) -> str:
    # One word of letters, digits and %: NVFlare splits arguments at white space, fills in braces, and takes long words
    # of base64 for secrets.
    return quote(json.dumps(record, allow_nan=False, separators=(",", ":")), safe="")


def _devices_of(plan: Plan, sites: Mapping[str, str | int] | None) -> dict[str, str]:
    """Device id, as text, of each site."""
    if type(plan) is not Plan:  # the server's own update would be missing in the average
        raise InvalidInputError(f"plan must be a fimi_opt.Plan whose devices alone train, got {type(plan).__name__}")
    if not (sites is None or isinstance(sites, Mapping)):
        raise InvalidInputError(f"sites must be a mapping of the sites' names to device ids, got {sites!r:.80}")
    devices = id_texts(plan.devices.ids)
    known = set(devices)
    given: dict[Any, Any] = dict(zip(devices, devices, strict=True) if sites is None else sites)
    out: dict[str, str] = {}
    taken: dict[str, str] = {}
    for site, device in given.items():
        if not isinstance(site, str) or not _SITE.fullmatch(site) or site == _RESERVED:
            raise InvalidInputError(
                f"sites must have names of letters, digits, '-' and '_', not {_RESERVED!r}, got {site!r}"
                + (", an id of the plan: give the sites' names" if sites is None else "")
            )
        if str(device) not in known:
            raise InvalidInputError(f"sites says that {site!r} is device {str(device)!r}, which the plan does not have")
        if taken.setdefault(str(device), site) != site:
            raise InvalidInputError(f"sites gives device {str(device)!r} to {taken[str(device)]!r} and to {site!r}")
        out[site] = str(device)
    if len(taken) < len(devices):
        raise InvalidInputError(f"sites has none for devices {_named(name for name in devices if name not in taken)}")
    return out


def _named(names: Iterable[str]) -> str:
    """The first of several names, and how many more there are."""
    listed = sorted(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(map(repr, listed[:5])) + more
