"""Metric math: what alarms and dashboards use, parsed without `eval`.

Grammar, loosest first: OR/||, AND/&&, comparisons, + -, * /, ^, unary -. Functions: IF, FILL, METRICS, SUM, AVG, MIN,
MAX, ABS, CEIL, FLOOR, PERIOD, RUNNING_SUM, DIFF, RATE. A comparison yields 1 or 0. Between two series only common
timestamps remain, as in CloudWatch. Anything else is refused by name.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

from sandbox.cloud.monitoring.operations import (
    FUNCTIONS,
    Context,
    ExpressionError,
    Node,
    Series,
    Value,
    as_series,
    both,
    combine,
    each,
    either,
    filled,
    look_up,
    metrics,
)

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<symbol>&&|\|\||==|!=|<=|>=|[-+*/^<>(),\[\]]))"
)
_COMPARISONS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
                ">=": operator.ge}  # fmt: skip


def parse(expression: str) -> Node:
    """A function of a `Context`.

    Raises:
        ExpressionError: syntax, unknown function, wrong number of arguments.
    """
    return _Parser(expression).parse()


def names(expression: str) -> set[str]:
    """Ids that an expression refers to (lower-case names; functions and operators are upper-case)."""
    return {str(token) for kind, token in _tokens(expression) if kind == "name" and token[0].islower()}


def _tokens(expression: str) -> list[tuple[str, str]]:
    result, position = [], 0
    text = expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            found = text[position:].strip()[:10]
            raise ExpressionError(f"Unexpected '{found}' at position {position} of '{expression}'")
        kind = str(match.lastgroup)
        result.append((kind, match[kind]))
        position = match.end()
    return result


class _Parser:
    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = _tokens(expression)
        self.position = 0

    def parse(self) -> Node:
        node = self._disjunction()
        if self.position != len(self.tokens):
            raise self._error(f"Unexpected '{self.tokens[self.position][1]}'")
        return node

    def _error(self, what: str) -> ExpressionError:
        return ExpressionError(f"{what} in expression '{self.expression}'")

    def _peek(self) -> str:
        return self.tokens[self.position][1] if self.position < len(self.tokens) else ""

    def _take(self, *symbols: str) -> str | None:
        if self.position < len(self.tokens) and self.tokens[self.position][1] in symbols:
            self.position += 1
            return self.tokens[self.position - 1][1]
        return None

    def _expect(self, symbol: str) -> None:
        if self._take(symbol) is None:
            raise self._error(f"Expected '{symbol}' before '{self._peek() or 'the end'}'")

    def _binary(self, below: Callable[[], Node], operators: Mapping[str, Callable[[float, float], float]]) -> Node:
        node = below()
        while symbol := self._take(*operators):
            node = combine(operators[symbol], node, below())
        return node

    def _disjunction(self) -> Node:
        return self._binary(self._conjunction, {"OR": either, "||": either})

    def _conjunction(self) -> Node:
        return self._binary(self._comparison, {"AND": both, "&&": both})

    def _comparison(self) -> Node:
        return self._binary(self._sum, _COMPARISONS)

    def _sum(self) -> Node:
        return self._binary(self._product, {"+": operator.add, "-": operator.sub})

    def _product(self) -> Node:
        return self._binary(self._power, {"*": operator.mul, "/": operator.truediv})

    def _power(self) -> Node:
        return self._binary(self._unary, {"^": operator.pow})

    def _unary(self) -> Node:
        if self._take("-"):
            return combine(operator.mul, lambda _: -1.0, self._unary())
        return self._primary()

    def _primary(self) -> Node:
        if self._take("("):
            node = self._disjunction()
            self._expect(")")
            return node
        if self._take("["):
            return self._array()
        if self.position == len(self.tokens):
            raise self._error("Unexpected end")
        kind, token = self.tokens[self.position]
        self.position += 1
        if kind == "number":
            number = float(token)
            return lambda _: number
        if kind != "name":
            raise self._error(f"Unexpected '{token}'")
        if self._take("("):
            return self._call(token)
        if token[0].islower():
            return lambda context: look_up(context, token)
        if token in ("REPEAT", "LINEAR"):
            raise self._error(f"{token} is allowed only as FILL's second argument")
        raise self._error(f"Unknown name {token}")

    def _array(self) -> Node:
        nodes = [self._disjunction()]
        while self._take(","):
            nodes.append(self._disjunction())
        self._expect("]")

        def compute(context: Context) -> Value:
            result: list[Series] = []
            for node in nodes:
                value = node(context)
                result.extend(value if isinstance(value, list) else [as_series(value, context)])
            return result

        return compute

    def _call(self, name: str) -> Node:
        if name == "FILL":
            return self._fill()
        if name not in FUNCTIONS and name != "METRICS":
            raise self._error(f"Unsupported function {name}")
        arguments: list[Node] = []
        if name == "METRICS" and self.tokens[self.position : self.position + 1] and self._peek()[0] in "'\"":
            part = self._peek()[1:-1]
            self.position += 1
            self._expect(")")
            return lambda context: metrics(context, part)
        if not self._take(")"):
            arguments.append(self._disjunction())
            while self._take(","):
                arguments.append(self._disjunction())
            self._expect(")")
        if name == "METRICS":
            if arguments:
                raise self._error("METRICS takes a part of the metrics' ids in quotes, or nothing,")
            return lambda context: metrics(context, "")
        arity, function = FUNCTIONS[name]
        if len(arguments) not in arity:
            raise self._error(f"{name} takes {' or '.join(map(str, arity))} arguments, not {len(arguments)},")
        return lambda context: function(context, [argument(context) for argument in arguments])

    def _fill(self) -> Node:
        node = self._disjunction()
        self._expect(",")
        mode = self._take("REPEAT", "LINEAR")
        filler = (lambda _: 0.0) if mode else self._disjunction()
        self._expect(")")
        return lambda context: each(node(context), lambda series: filled(context, series, mode, filler(context)))
