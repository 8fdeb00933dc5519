"""What a complete docstring of a public name holds, and where to look for the errors that a function can raise."""

import ast
import builtins
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from numpydoc.docscrape import FunctionDoc, NumpyDocString, Parameter, get_doc_object
from numpydoc.validate import validate

from fimi_opt.errors import InfeasibleError, InvalidInputError, NumericalError

# Of numpydoc's checks those that are about what is said: a docstring, a summary of one sentence, every parameter and no
# other, each explained, and what comes back. Types stand in annotations, so PR04 and its like say nothing here.
CODES = {"GL07", "GL08", "SS01", "SS03", "PR01", "PR02", "PR07", "PR10", "RT01", "RT03", "YD01", "EX01"}

ARRAYS = re.compile(r"ArrayLike|NDArray|Floats|Integers|ClassTable")
SHAPE = re.compile(
    r"\((?:[A-Za-z]|\d+|\.\.\.),(?: [A-Z])?\)|\bscalar\b|\bone number\b|\bany shape\b|\bof the shape of\b|\bI arrays\b"
)
# Units, and words for numbers that have none.
UNIT = re.compile(
    r"\b(?:s|J|Hz|W|W/Hz|J/Hz|bit/s|dB|dBm|m)\b"
    r"|\b(?i:samples?|seconds|joules|hertz|watts|bits|metres|cycles|rounds|linear|dimensionless|weights?|entropy|labels"
    r"|counts|concentration|probability|places|factors?|multiplies|error|ratios)\b"
)
ELSEWHERE = re.compile(r"\b(?:as (?:for|of|in)|those of|argument of) :\w+:`", re.IGNORECASE)
NAMED = (InvalidInputError, InfeasibleError, NumericalError)


class Public(NamedTuple):
    """A public name and what it stands for; `owner` is the class of a method or of a value that one has."""

    name: str
    value: Any
    owner: type | None = None


# --- What a docstring says --------------------------------------------------------------------------------------------


def text_of(public: Public) -> str:
    return inspect.getdoc(public.value) or ""


def sections(public: Public) -> NumpyDocString:
    return NumpyDocString(text_of(public))


def codes(public: Public) -> Iterator[str]:
    """numpydoc's complaints that count, in words."""
    if is_formed(public.value) or isinstance(public.value, type):
        summary = text_of(public).strip().partition("\n\n")[0]
        if not re.match(r"[A-Z`(].*\.$", summary, re.DOTALL):
            yield "its docstring must begin with a sentence"
        return
    doc: FunctionDoc = get_doc_object(public.value)
    for code, words in validate(doc)["errors"]:
        if code in CODES and not (code == "RT01" and doc["Yields"]):
            yield f"{code}: {words}"


def unexplained(public: Public) -> Iterator[str]:
    """Arguments, or fields, of a class that its docstring leaves out."""
    if not isinstance(public.value, type):
        return
    doc = sections(public)
    explained = {name for entry in doc["Parameters"] + doc["Attributes"] for name in names_of(entry) if entry.desc}
    for name in fields_of(public.value):
        if name not in explained and not re.search(rf"`{name}`", text_of(public)):
            yield f"{name} is not explained"


def without_shape_or_unit(public: Public) -> Iterator[str]:
    """Arrays of which the docstring does not give the shape or the unit."""
    if is_formed(public.value):
        if ARRAYS.search(annotation_of(public)):
            yield from lacking("it", text_of(public))
        return
    doc = sections(public)
    for name, annotation in annotations_of(public.value).items():
        if not ARRAYS.search(annotation):
            continue
        if name == "return":
            yield from lacking("what it returns", " ".join(" ".join(entry.desc) for entry in doc["Returns"]))
        else:
            said = [" ".join(entry.desc) for entry in doc["Parameters"] + doc["Attributes"] if name in names_of(entry)]
            yield from lacking(name, " ".join(said)) if said else ()


def lacking(what: str, said: str) -> Iterator[str]:
    if ELSEWHERE.search(said):
        return
    if not SHAPE.search(said):
        yield f"the shape of {what} is missing in {said!r}"
    if not UNIT.search(said):
        yield f"the unit of {what} is missing in {said!r}"


def unsaid_errors(public: Public) -> Iterator[str]:
    """Errors of this library that it can raise and that its docstring does not name."""
    if is_formed(public.value) or (isinstance(public.value, type) and issubclass(public.value, BaseException)):
        return
    found = raised_by(public.value)
    said = " ".join(f"{entry.type} {entry.name}" for entry in sections(public)["Raises"])
    for kind in NAMED:
        words = {kind.__name__} | ({"ValueError"} if kind is InvalidInputError else set())
        if any(issubclass(error, kind) for error in found) and not any(word in said for word in words):
            yield f"{kind.__name__} is not among what it raises"


def names_of(entry: Parameter) -> list[str]:
    """Names that one entry stands for: "alpha, beta" for two."""
    return [name.strip("* ") for name in (entry.name or entry.type).split(",")]


# --- What a name stands for -------------------------------------------------------------------------------------------


def is_formed(value: object) -> bool:
    """Whether it is a value that an object forms when it is asked for."""
    return isinstance(value, property) or type(value).__name__ == "lazy"


def members(public: Public) -> Iterator[Public]:
    """Public methods and formed values that a class itself defines, but what a framework's own class asks of it."""
    foreign = [base for base in public.value.__mro__ if not base.__module__.startswith("fimi_opt")]
    for name, value in vars(public.value).items():
        if name.startswith("_") or any(name in vars(base) for base in foreign):
            continue
        plain = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if inspect.isfunction(plain) or is_formed(plain):
            yield Public(f"{public.name}.{name}", plain, public.value)


def fields_of(kind: type) -> list[str]:
    """What makes an object of it: arguments, or fields."""
    if hasattr(kind, "_fields"):
        return list(kind._fields)
    if issubclass(kind, BaseException) or not hasattr(kind, "__dataclass_fields__"):
        return []
    own = inspect.get_annotations(kind)  # what it inherits is explained there
    return [name for name in inspect.signature(kind).parameters if name in own]


def annotations_of(value: Any) -> dict[str, str]:
    """Annotations as the source writes them: an alias by its name."""
    found: dict[str, str] = {}
    for node in ast.walk(tree_of(value)):
        if isinstance(node, ast.FunctionDef) and node.name in (value.__name__, "__init__"):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            found |= {argument.arg: ast.unparse(argument.annotation) for argument in given if argument.annotation}
            if node.returns is not None and node.name != "__init__":
                found["return"] = ast.unparse(node.returns)
            break
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.setdefault(node.target.id, ast.unparse(node.annotation))
    return found


def annotation_of(public: Public) -> str:
    function = public.value.fget if isinstance(public.value, property) else public.value._form
    return annotations_of(function).get("return", "")


@cache
def tree_of(value: Any) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(value)))


# --- What a function raises -------------------------------------------------------------------------------------------


@cache
def raised_by(value: Any) -> frozenset[type[BaseException]]:
    """Errors that it, and what it calls inside the package, has `raise` statements for and does not catch."""
    found: set[type[BaseException]] = set()
    done: set[Any] = set()
    for function in functions_of(value):
        found |= _raised(function, done)
    return frozenset(found)


def functions_of(value: Any) -> Iterator[Callable[..., Any]]:
    """The functions that run when it is called."""
    if inspect.isfunction(value):
        yield value
    elif isinstance(value, type) and not issubclass(value, BaseException):
        for kind in value.__mro__:
            for name in ("__init__", "__post_init__"):
                function = vars(kind).get(name)
                if inspect.isfunction(function) and function.__code__.co_filename != "<string>":
                    yield function


def _raised(function: Callable[..., Any], done: set[Any]) -> set[type[BaseException]]:
    if function in done or not (function.__module__ or "").startswith("fimi_opt"):
        return set()
    done.add(function)
    scope = {**vars(builtins), **inspect.getclosurevars(function).nonlocals, **function.__globals__}
    return _in(list(ast.iter_child_nodes(tree_of(function))), scope, done)


def _in(nodes: list[ast.AST], scope: dict[str, Any], done: set[Any]) -> set[type[BaseException]]:
    found: set[type[BaseException]] = set()
    for node in nodes:
        if isinstance(node, ast.Try):
            inside = _in(list(node.body), scope, done)
            for handler in node.handlers:
                caught = _classes(handler.type, scope)
                again = any(isinstance(part, ast.Raise) and part.exc is None for part in ast.walk(handler))
                if not again:
                    inside = {error for error in inside if not issubclass(error, caught)}
                inside |= _in(list(handler.body), scope, done)
            found |= inside | _in([*node.orelse, *node.finalbody], scope, done)
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            name = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            error = _resolve(name, scope)
            if isinstance(error, type) and issubclass(error, BaseException):
                found.add(error)
        if isinstance(node, ast.Call):
            for called in functions_of(_resolve(node.func, scope)):
                found |= _raised(called, done)
        found |= _in(list(ast.iter_child_nodes(node)), scope, done)
    return found


def _classes(node: ast.expr | None, scope: dict[str, Any]) -> tuple[type[BaseException], ...]:
    if node is None:
        return (BaseException,)
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    found = (_resolve(part, scope) for part in parts)
    return tuple(error for error in found if isinstance(error, type) and issubclass(error, BaseException))


def _resolve(node: ast.AST, scope: dict[str, Any]) -> Any:
    """What a name, or a name of a module, stands for; None where only a run can tell."""
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, ast.Attribute):
        holder = _resolve(node.value, scope)
        return getattr(holder, node.attr, None) if inspect.ismodule(holder) else None
    return None
