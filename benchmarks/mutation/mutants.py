"""The faults: every place of a module where one operator, constant, condition or statement can be another."""

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

# `<` becomes what differs only where both sides are equal, and its opposite.
_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_SWAPPED = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}
# What a module says or declares rather than computes.
_DECLARED = (ast.Import, ast.ImportFrom, ast.Raise)
# Constants of modules, tolerances most of them, and fields of classes stay as they are.
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Site(NamedTuple):
    """A node by its number in the order of the walk, what becomes of it, and the words for it."""

    number: int
    line: int
    change: str
    apply: Callable[[ast.AST], ast.AST]


def sites(source: str) -> list[Site]:
    """All faults of a module, in the order of its lines."""
    return list(_found(ast.parse(source)))


def mutant(source: str, site: Site) -> ast.Module:
    """Return the module with that one fault."""
    tree = ast.parse(source)
    nodes = list(_nodes(tree))
    old = nodes[site.number]
    _Replace(old, site.apply(copy.deepcopy(old))).visit(tree)
    return ast.fix_missing_locations(tree)


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return ast.copy_location(self.new, node) if node is self.old else self.generic_visit(node)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that compute: no decorators, annotations, imports or errors that are raised."""
    for name, value in ast.iter_fields(tree):
        if name in ("decorator_list", "annotation", "returns", "bases", "keywords") and not isinstance(tree, ast.Call):
            continue
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or isinstance(node, _DECLARED) or _only_for_types(node):
                continue
            yield node
            yield from _nodes(node)


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _found(tree: ast.Module) -> Iterator[Site]:
    inside = {id(node) for function in ast.walk(tree) if isinstance(function, _FUNCTIONS) for node in _nodes(function)}
    for number, node in enumerate(_nodes(tree)):
        for change, apply in _changes(node) if id(node) in inside else ():
            yield Site(number, getattr(node, "lineno", 0), f"{_text(node)} -> {change}", apply)


def _text(node: ast.AST) -> str:
    text = ast.unparse(node).partition("\n")[0]
    return text if len(text) <= 70 else f"{text[:67]}..."


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST]]]:
    """What can become of a node: the words for it, and a function from the node to the new one."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in _COMPARED[type(operator)]:
                yield other.__name__, _set(lambda n, i=place, o=other: n.ops.__setitem__(i, o()))  # type: ignore[misc]
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _COMPUTED:
        new = _COMPUTED[type(node.op)]
        yield new.__name__, _set(lambda n: setattr(n, "op", new()))
    elif isinstance(node, ast.BoolOp):
        joined = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield joined.__name__, _set(lambda n: setattr(n, "op", joined()))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield "its operand", lambda n: cast(ast.UnaryOp, n).operand
    elif isinstance(node, ast.Constant):
        yield from _constants(node.value)
    elif isinstance(node, (ast.If, ast.IfExp)):
        for value in (True, False):
            yield f"if {value}", _set(lambda n, v=value: setattr(n, "test", ast.Constant(v)))  # type: ignore[misc]
    elif isinstance(node, (ast.Break, ast.Continue)) or (isinstance(node, ast.Expr) and _acts(node)):
        yield "nothing", lambda n: ast.Pass()
    elif isinstance(node, ast.Call):
        function = node.func
        called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        if called in _SWAPPED:
            key = "id" if isinstance(function, ast.Name) else "attr"
            yield _SWAPPED[called], _set(lambda n: setattr(n.func, key, _SWAPPED[called]))


def _constants(value: object) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST]]]:
    if isinstance(value, bool):
        yield str(not value), lambda n: ast.Constant(not value)
    elif isinstance(value, int):
        yield str(value + 1), lambda n: ast.Constant(value + 1)
    elif isinstance(value, float):
        other = 2.0 * value if value else 1.0
        yield str(other), lambda n: ast.Constant(other)


def _acts(node: ast.Expr) -> bool:
    return not isinstance(node.value, ast.Constant)  # a docstring


def _set(change: Callable[[Any], object]) -> Callable[[ast.AST], ast.AST]:
    def apply(node: ast.AST) -> ast.AST:
        change(node)
        return node

    return apply
