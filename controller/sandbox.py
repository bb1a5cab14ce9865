"""jinja2's sandbox, in which moreover nothing grows beyond ``controller.bounds``: imported where a template needs it.

Whatever repeats, joins, pads or calls passes a place here: loops, operators, filters, tests, methods, and the pieces of
the text itself. What could be made at once is foreseen from its operands; the rest is counted when it has been made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import SandboxedEnvironment, safe_range
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from controller.bounds import STEP, TooMuch, foresee, rounds, spend, weigh

DIGITS_LIMIT = 4300
"""Of a whole number: Python itself writes no longer ones."""
MULTIPLIES = frozenset(
    {
        *("center", "ljust", "rjust", "zfill", "expandtabs", "to_bytes", "translate"),
        *("indent", "batch", "slice", "wordwrap", "tojson", "replace", "join"),
    }
)
"""Filters and methods whose result is at most as large as what they are given, times their largest argument."""
_PERCENT = re.compile(r"%(?:\([^)]*\))?[-#0 +]*(\*|\d+)?(?:\.(\*|\d+))?")
_BRACES = re.compile(r"\{[^{}:]*:([^{}]*)(\{)?")


class _Plain(Namespace):
    """A namespace that is not written out with all that it holds."""

    def __repr__(self) -> str:
        return "<namespace>"


class _Counted(NodeTransformer):
    """Sends through filters of our own what jinja2 does without asking its environment."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        """Each round is a step."""
        self.generic_visit(node)
        node.iter = _through("_rounds", node.iter)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        """``a ~ b`` is the join of both."""
        self.generic_visit(node)
        return _through("join", nodes.List(node.nodes, lineno=node.lineno))

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:
        """What is compared is read through; of a mapping that is searched, one entry."""
        self.generic_visit(node)
        if any(operand.op not in ("in", "notin") for operand in node.ops):
            node.expr = _through("_read", node.expr)
        for operand in node.ops:
            operand.expr = _through("_searched" if operand.op in ("in", "notin") else "_read", operand.expr)
        return node


def _through(name: str, node: nodes.Node) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class Bounded(SandboxedEnvironment):
    """The sandbox with limits; ``TooMuch`` where they are passed."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False, finalize=_read
        )
        tables: tuple[dict[str, Any], ...] = (self.filters, self.tests)
        for table in tables:
            table.update({name: _bounded(name, function) for name, function in table.items()})
        self.filters.update(_rounds=rounds, _read=_read, _searched=_searched)
        self.globals.update(namespace=_Plain, range=_range)
        del self.globals["lipsum"]  # random words, in any number

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """The pieces of a text, counted one by one: between them is where loops run."""
        return "".join(_pieces(pieces))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """``+ * ** %``, after a look at how large it will be."""
        if operator == "**":
            _foresee_power(left, right)
        elif operator == "*":
            _foresee_product(left, right)
        elif operator == "%" and isinstance(left, (str, bytes)):
            _foresee_format(left, (right,))
        return _made(super().call_binop(context, operator, left, right))

    def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A method, a macro, or a loop that is called again with what is below."""
        if isinstance(called, LoopContext):
            args = (rounds(args[0]), *args[1:]) if args else args
        else:
            given = (*args, *kwargs.values())
            bound = getattr(called, "__wrapped__", called)  # str.format comes in a wrapper of the sandbox
            subject = getattr(bound, "__self__", None)
            _foresee(getattr(called, "__name__", ""), subject, given)
            spend(2 * STEP)
            _searched(subject)
            _read(given)
        return _made(super().call(context, called, *args, **kwargs))

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        """Every template on its way to code: jinja2 leaves this hook for its like."""
        return super()._generate(_Counted().visit(source), *args, **kwargs)


def _pieces(pieces: Iterable[str]) -> Iterator[str]:
    for piece in pieces:
        spend(len(piece))
        yield piece


def _read(value: Any) -> Any:
    spend(STEP + weigh(value) // STEP)
    return value


def _searched(value: Any) -> Any:
    if isinstance(value, (str, bytes)):
        spend(STEP + len(value) // STEP)
    else:
        spend(STEP + (len(value) // 4 if isinstance(value, (list, tuple)) else 0))
    return value


_made = _searched
"""Nor is what was made looked into: not before it is read or written out."""


def _range(*bounds: int) -> range:
    """``range``, of as many numbers as the sandbox allows."""
    try:
        return safe_range(*bounds)
    except OverflowError as error:
        raise TooMuch from error


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test, counted; in front of what it is given there may be something of jinja2's own."""
    own = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        subject = args[own] if len(args) > own else None
        if name in ("join", "sum") and isinstance(subject, Iterator):
            subject = list(rounds(subject))
            args = (*args[:own], subject, *args[own + 1 :])
        given = (*args[own + 1 :], *kwargs.values())
        if name not in ("length", "count", "defined", "undefined", "mapping", "sequence", "iterable"):
            _read((subject, *given))
        _foresee(name, subject, given)
        return _made(function(*args, **kwargs))

    return bounded


def _foresee(name: str, subject: Any, given: tuple[Any, ...]) -> None:
    """The size of what a filter or method of this name will make."""
    if name == "round":
        _foresee_power(10, given[0] if given else 0)
    elif name in ("format", "format_map") and isinstance(subject, str):
        _foresee_format(subject, given)
    elif name == "sum" and any(isinstance(one, (list, tuple)) for one in given):
        foresee(weigh(subject) * len(subject))  # each list is copied for the next
    elif name == "replace" and len(given) > 1 and all(isinstance(one, str) for one in (subject, *given[:2])):
        foresee(subject.count(given[0]) * len(given[1]))
    elif name in MULTIPLIES:
        foresee(_size(subject) * max((_size(one) for one in given), default=1))


def _size(value: Any) -> int:
    if isinstance(value, int):
        return abs(value)
    return len(value) if isinstance(value, (str, bytes)) else weigh(value)


def _foresee_power(base: Any, exponent: Any) -> None:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0 and abs(base) > 1:
        _foresee_digits(base.bit_length() * exponent)


def _foresee_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        _foresee_digits(left.bit_length() + right.bit_length())
    elif isinstance(left, int) or isinstance(right, int):
        times, value = (left, right) if isinstance(left, int) else (right, left)
        if not isinstance(value, float):
            foresee(max(times, 0) * weigh(value))


def _foresee_digits(bits: int) -> None:
    if bits > DIGITS_LIMIT * 3.33:
        raise TooMuch


def _foresee_format(text: str | bytes, given: tuple[Any, ...]) -> None:
    """The widths that stand in a format, and all that is given, as often as the format can ask for it."""
    text = text if isinstance(text, str) else text.decode("latin-1")
    found = [width for match in _PERCENT.finditer(text) for width in match.groups() if width]
    for match in _BRACES.finditer(text):
        found += re.findall(r"\d+", match[1])
        found += "*" if match[2] else ""
    widths = [int(width.lstrip("0")[:9] or 0) for width in found if width != "*"]
    if "*" in found:  # the width is among what is given
        widths += [abs(one) for one in _numbers(given)]
    foresee(sum(widths) + (text.count("%") + text.count("{")) * weigh(given))


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, Mapping):
        yield from _numbers(list(value.values()))
