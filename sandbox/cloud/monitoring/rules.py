"""AlarmRule of composite alarms: ALARM(), OK(), INSUFFICIENT_DATA() of a name or ARN, TRUE, FALSE, AND, OR, NOT.

Source: CloudWatch API reference, PutCompositeAlarm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.cloud.ports import AlarmState

_TOKEN = re.compile(
    r"\s*(?:(?P<state>(?:ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:\"[^\"]+\"|'[^']+'|[^()\"'\s]+)\s*\))"
    r"|(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<symbol>[()]))"
)
_STATE = re.compile(r"(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*[\"']?([^()\"']+?)[\"']?\s*\)")

Predicate = Callable[[Mapping[str, AlarmState]], bool]


class AlarmRuleError(ValueError):
    """The rule cannot be parsed."""


@dataclass(frozen=True)
class AlarmRule:
    """A parsed rule: its truth over states by alarm name, and the names it refers to in order of appearance."""

    holds: Predicate
    children: tuple[str, ...]


def parse(rule: str) -> AlarmRule:
    """Raises AlarmRuleError with the position of the first thing that is not a rule."""
    return _Parser(rule).parse()


class _Parser:
    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.tokens: list[str] = []
        self.children: list[str] = []
        position, text = 0, rule.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise AlarmRuleError(f"Error in AlarmRule [Unexpected text at position {position}: {text[position:]}]")
            self.tokens.append(match[0].strip())
            position = match.end()
        self.position = 0

    def parse(self) -> AlarmRule:
        predicate = self._disjunction()
        if self.position != len(self.tokens):
            raise AlarmRuleError(f"Error in AlarmRule [Unexpected '{self.tokens[self.position]}']")
        return AlarmRule(predicate, tuple(dict.fromkeys(self.children)))

    def _take(self, token: str) -> bool:
        if self.position < len(self.tokens) and self.tokens[self.position] == token:
            self.position += 1
            return True
        return False

    def _disjunction(self) -> Predicate:
        terms = [self._conjunction()]
        while self._take("OR"):
            terms.append(self._conjunction())
        return terms[0] if len(terms) == 1 else lambda states: any(term(states) for term in terms)

    def _conjunction(self) -> Predicate:
        terms = [self._negation()]
        while self._take("AND"):
            terms.append(self._negation())
        return terms[0] if len(terms) == 1 else lambda states: all(term(states) for term in terms)

    def _negation(self) -> Predicate:
        if self._take("NOT"):
            inner = self._negation()
            return lambda states: not inner(states)
        return self._primary()

    def _primary(self) -> Predicate:
        if self._take("("):
            inner = self._disjunction()
            if not self._take(")"):
                raise AlarmRuleError("Error in AlarmRule [Missing ')']")
            return inner
        if self._take("TRUE"):
            return lambda _: True
        if self._take("FALSE"):
            return lambda _: False
        match = _STATE.fullmatch(self.tokens[self.position]) if self.position < len(self.tokens) else None
        if match is None:
            found = self.tokens[self.position] if self.position < len(self.tokens) else "the end"
            raise AlarmRuleError(f"Error in AlarmRule [Unexpected '{found}']")
        self.position += 1
        wanted, name = match[1], match[2].split(":alarm:", 1)[-1]
        self.children.append(name)
        return lambda states: states.get(name) == wanted
