"""Expressions over named columns: a small language read by ``ast``, evaluated on numpy arrays, never by ``eval``."""

from __future__ import annotations

import ast
import functools
import operator
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.errors import nearest
from deffe.values import EXACT

Array = NDArray[Any]
Columns = Mapping[str, Array]
"""Name to (n,) array: float64 for numbers, object for text or a mixture."""

_LONGEST = 10_000
_DEEPEST = 150
_ALLOWED = "allowed: + - * / // % **, comparisons, and or not (&& || !), in (a, b), a if c else b, and functions"

_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_ORDER: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_INSTEAD = {ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "** for powers", ast.Is: "==", ast.IsNot: "!="}


def _is_power_of_2(x: Array) -> Array:
    return np.asarray((np.frexp(x)[0] == 0.5) & (x >= 1))


def _gcd(x: Array, y: Array) -> Array:
    """The greatest common divisor of whole numbers; nan where one of them is none, or beyond 2**53."""
    whole = [np.isfinite(z) & (np.abs(z) <= EXACT) & (np.floor(z) == z) for z in (x, y)]
    divisor = np.gcd(*(np.where(fits, z, 0.0).astype(np.int64) for fits, z in zip(whole, (x, y), strict=True)))
    return np.where(whole[0] & whole[1], divisor.astype(np.float64), np.nan)


_FUNCTIONS: dict[str, tuple[Callable[..., Any], bool]] = {
    "abs": (np.abs, False),
    "min": (np.minimum, True),
    "max": (np.maximum, True),
    "floor": (np.floor, False),
    "ceil": (np.ceil, False),
    "round": (np.round, False),
    "sqrt": (np.sqrt, False),
    "log": (np.log, False),
    "log2": (np.log2, False),
    "log10": (np.log10, False),
    "exp": (np.exp, False),
    "gcd": (_gcd, True),
    "is_power_of_2": (_is_power_of_2, False),
}
"""Name to (function, takes several arguments)."""


class Expression:
    """A checked expression, such as ``l1d_size * 1024 >= l1d_ways * cacheline``.

    Numbers are float64, so nothing overflows; dividing by zero gives nan or inf; a comparison with nan is false.
    Text can be compared by ``==``, ``!=`` and ``in`` only. Names that are no identifiers stand in backquotes.

    Args:
        text: the expression.
        names: the names it may use.
    Raises:
        ValueError: for anything outside the language, naming the bad part and what is allowed.
    """

    def __init__(self, text: str, names: Collection[str]) -> None:
        self.text = text
        self._known = tuple(names)
        self._reader = _Reader(text, self._known)
        self.names: frozenset[str] = frozenset(self._reader.used)
        self.numeric_names: frozenset[str] = frozenset(self._reader.numeric)
        """Names of which numbers are expected: operands of arithmetic, of an order, or conditions."""

    def evaluate(self, columns: Columns) -> Array:
        """Evaluate over columns of equal length n.

        Returns:
            (n,) bool for a condition, float64 for a number, object for text.
        """
        given = {name: _as_column(columns[name]) for name in self.names}
        length = next((len(column) for column in (given or columns).values()), 1)
        with np.errstate(all="ignore"):
            result = np.asarray(_value(self._reader.tree, given))
        column: Array = np.broadcast_to(result, (length,))
        return column

    def holds(self, columns: Columns) -> NDArray[np.bool_]:
        """(n,) bool: where the expression is true; numbers are true unless 0 or nan."""
        return _truth(self.evaluate(columns))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and (self.text, self.names) == (other.text, other.names)

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> tuple[type[Expression], tuple[str, tuple[str, ...]]]:
        return Expression, (self.text, self._known)


class _Reader:
    """Reads and checks a text; collects the names it uses."""

    _TOKENS = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(&&|\|\||!(?!=)|~)|`([^`]*)`""")

    def __init__(self, text: str, known: Collection[str]) -> None:
        if len(text) > _LONGEST:
            raise ValueError(f"the expression has {len(text):,} characters; at most {_LONGEST:,} are allowed")
        self._text = text
        self._known = known
        self._quoted: dict[str, str] = {}
        self.used: set[str] = set()
        self.numeric: set[str] = set()
        self._source = self._TOKENS.sub(self._python, text.strip())
        self.tree = self._parse()
        self._check(self.tree, 0)
        self._condition(self.tree)

    def _python(self, token: re.Match[str]) -> str:
        """Rewrite a token that is not Python; ``!`` becomes ``~``, which binds as tightly."""
        text, symbol, name = token.groups()
        if text is not None:
            return str(text)
        if name is not None:
            return self._quoted.setdefault(name, f"_quoted_{len(self._quoted)}_")
        if symbol == "~":
            raise self._fault("'~' is not allowed", "write ! or not")
        return {"&&": " and ", "||": " or ", "!": "~"}[symbol]

    def _parse(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(self._source, mode="eval").body
        except SyntaxError as error:
            at = self._source[max((error.offset or 1) - 1, 0) :][:20]
            near = f"cannot read it near {at!r}" if at else "it ends too early"
            hint = "write == to compare" if re.search(r"(?<![=!<>])=(?!=)", self._source) else _ALLOWED
            raise self._fault(near, hint) from None
        except (ValueError, RecursionError, MemoryError):
            raise self._fault("it cannot be read or is nested too deeply", _ALLOWED) from None
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = {mark: name for name, mark in self._quoted.items()}.get(node.id, node.id)
        return tree

    def _fault(self, what: str, hint: str) -> ValueError:
        shown = self._text if len(self._text) <= 200 else self._text[:197] + "..."
        return ValueError(f"in {shown!r}: {what} ({hint})")

    def _shown(self, node: ast.AST) -> str:
        segment = ast.get_source_segment(self._source, node) or type(node).__name__
        return segment if len(segment) <= 60 else segment[:57] + "..."

    def _check(self, node: ast.expr, depth: int) -> None:
        if depth > _DEEPEST:
            raise self._fault(f"it is nested deeper than {_DEEPEST} levels", "split it into several")
        for child in self._children(node):
            self._check(child, depth + 1)

    def _children(self, node: ast.expr) -> list[ast.expr]:
        """The operands of a node of the language; an error for any other node."""
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return self._numbers([node.left, node.right])
        if isinstance(node, ast.UnaryOp):
            return self._numbers([node.operand])
        if isinstance(node, ast.BoolOp):
            return self._numbers(node.values)
        if isinstance(node, ast.IfExp):
            self._numbers([node.test])
            return [node.test, node.body, node.orelse]
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        instead = _INSTEAD.get(type(getattr(node, "op", None)))  # type: ignore[arg-type]
        hint = f"write {instead}" if instead else _ALLOWED
        raise self._fault(f"{self._shown(node)!r} is not allowed", hint)

    def _name(self, node: ast.Name) -> list[ast.expr]:
        if node.id not in self._known:
            hint = f"{nearest(node.id, self._known)}; text stands in quotes"
            raise self._fault(f"unknown name {node.id!r}", hint)
        self.used.add(node.id)
        return []

    def _constant(self, node: ast.Constant) -> list[ast.expr]:
        value = node.value
        if isinstance(value, int | float):
            try:
                finite = np.isfinite(float(value))
            except OverflowError:
                finite = False
            if finite:
                return []
        if isinstance(value, str):
            return []
        raise self._fault(f"{self._shown(node)!r} is no value", "allowed: finite numbers, quoted text, True, False")

    def _numbers(self, nodes: list[ast.expr]) -> list[ast.expr]:
        for node in nodes:
            self._condition(node)
        return nodes

    def _condition(self, node: ast.expr) -> None:
        """Require that a node can be a number: a name is noted, text is an error."""
        if isinstance(node, ast.Name):
            self.numeric.add(node.id)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            raise self._fault(f"the text {node.value!r} stands where a number must", "text takes ==, != and in only")

    def _comparison(self, node: ast.Compare) -> list[ast.expr]:
        operands: list[ast.expr] = [node.left]
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                operands += self._members(right)
            elif type(op) in _ORDER:
                self._numbers([operands[-1], right])
                operands.append(right)
            elif isinstance(op, ast.Eq | ast.NotEq):
                operands.append(right)
            else:
                raise self._fault(f"{self._shown(node)!r} is not allowed", f"write {_INSTEAD[type(op)]}")
        return operands

    def _members(self, node: ast.expr) -> list[ast.expr]:
        if isinstance(node, ast.Tuple | ast.List | ast.Set) and node.elts:
            return node.elts
        if isinstance(node, ast.Constant):
            return [node]
        raise self._fault(f"{self._shown(node)!r} cannot follow 'in'", "write x in (a, b)")

    def _call(self, node: ast.Call) -> list[ast.expr]:
        name = node.func.id if isinstance(node.func, ast.Name) else self._shown(node.func)
        if name not in _FUNCTIONS or not isinstance(node.func, ast.Name):
            raise self._fault(f"unknown function {name!r}", nearest(name, _FUNCTIONS))
        several = _FUNCTIONS[name][1]
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        if node.keywords or starred or not node.args or (len(node.args) > 1 and not several):
            takes = "one or more plain arguments" if several else "exactly one plain argument"
            raise self._fault(f"{self._shown(node)!r}: {name} takes {takes}", f"as in {name}(x)")
        return self._numbers(node.args)


def _value(node: ast.expr, columns: Columns) -> Any:
    """Evaluate a checked node: a Python scalar or an array."""
    match node:
        case ast.Name():
            return columns[node.id]
        case ast.Constant():
            return float(node.value) if isinstance(node.value, int | float) else node.value
        case ast.BinOp():
            return _OPERATORS[type(node.op)](_number(_value(node.left, columns)), _number(_value(node.right, columns)))
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            return ~_truth(_value(node.operand, columns))
        case ast.UnaryOp():
            operand = _number(_value(node.operand, columns))
            return -operand if isinstance(node.op, ast.USub) else operand
        case ast.BoolOp():
            combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            result = _truth(_value(node.values[0], columns))
            for operand in node.values[1:]:
                result = combine(result, _truth(_value(operand, columns)))
            return result
        case ast.IfExp():
            return _choose(*(_value(part, columns) for part in (node.test, node.body, node.orelse)))
        case ast.Compare():
            return _compare(node, columns)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _apply(name, [_number(_value(argument, columns)) for argument in arguments])
        case _:
            raise TypeError(f"{type(node).__name__} is outside the language")


def _apply(name: str, arguments: list[Array]) -> Any:
    function, several = _FUNCTIONS[name]
    return functools.reduce(function, arguments) if several else function(*arguments)


def _compare(node: ast.Compare, columns: Columns) -> Any:
    left = _value(node.left, columns)
    result: Any = True
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        if isinstance(op, ast.In | ast.NotIn):
            elements = getattr(comparator, "elts", [comparator])
            found = np.logical_or.reduce([_equal(left, _value(element, columns)) for element in elements])
            now = found if isinstance(op, ast.In) else ~found & ~_missing(left)
        else:
            right = _value(comparator, columns)
            if type(op) in _ORDER:
                now = _ORDER[type(op)](_number(left), _number(right))
            else:
                now = _equal(left, right)
                if isinstance(op, ast.NotEq):
                    now = ~now & ~_missing(left) & ~_missing(right)
            left = right
        result = np.logical_and(result, now)
    return result


def _choose(test: Any, chosen: Any, otherwise: Any) -> Array:
    if any(_is_text(part) for part in (chosen, otherwise)):
        chosen, otherwise = (np.asarray(part, dtype=object) for part in (chosen, otherwise))
    return np.asarray(np.where(_truth(test), chosen, otherwise))


def _as_column(column: Array) -> Array:
    column = np.asarray(column)
    return column.astype(np.float64, copy=False) if column.dtype.kind in "biuf" else column.astype(object, copy=False)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or np.asarray(value).dtype == object


def _number(value: Any) -> Any:
    """As float64; text, which has no number, becomes nan."""
    if not _is_text(value):
        return np.asarray(value, dtype=np.float64)
    elements = np.asarray(value, dtype=object)
    numbers = [float(v) if isinstance(v, int | float | np.number | np.bool_) else np.nan for v in elements.ravel()]
    return np.array(numbers, dtype=np.float64).reshape(elements.shape)


def _truth(value: Any) -> NDArray[np.bool_]:
    if getattr(value, "dtype", None) == np.bool_:
        return np.asarray(value)
    numbers = _number(value)
    return np.asarray((numbers != 0) & ~np.isnan(numbers))


def _equal(left: Any, right: Any) -> NDArray[np.bool_]:
    if _is_text(left) or _is_text(right):
        left, right = np.asarray(left, dtype=object), np.asarray(right, dtype=object)
    return np.asarray(np.equal(left, right), dtype=np.bool_)


def _missing(value: Any) -> NDArray[np.bool_]:
    """Where there is no value: nan, or None in a column of text."""
    array: Array = np.asarray(value)
    if array.dtype.kind == "f":
        return np.asarray(np.isnan(array))
    if array.dtype != object:
        return np.zeros(array.shape, dtype=np.bool_)
    return np.asarray((array != array) | _equal(array, None), dtype=np.bool_)
