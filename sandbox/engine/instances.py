"""The provider instances of a deployment: those of the old state, and those the program registers."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from sandbox.engine.errors import EngineError
from sandbox.engine.plugins import Plugins
from sandbox.engine.providers import Provider
from sandbox.engine.state import Resource, Snapshot
from sandbox.engine.steps import Check, ConfigDiff, Diff, DiffAnswer, PropertyChange, Question, changed_keys
from sandbox.engine.urns import package_of
from sandbox.engine.values import UNKNOWN_TEXT, Properties, differences, equal, with_ignored

INTERNAL = "__internal"  # the engine's own part of a provider's inputs


class Instances:
    def __init__(self, plugins: Plugins, base: Snapshot) -> None:
        self._open = plugins.open
        self.base = base
        self._instances: dict[str, Provider] = {}
        self._candidates: dict[str, Provider] = {}
        self._registered: dict[str, Resource] = {}
        self.aliased: Mapping[str, str] = {}  # alias of a provider -> its URN now
        self._lock = threading.RLock()

    def answer(self, question: Question) -> object:
        """A question of the planner, put to the instance it concerns."""
        match question:
            case Check(resource=r, olds=olds, news=news) if r.is_provider:
                inputs, failures = self.candidate(r).check_config(r.urn, public(olds), public(news))
                own = {k: v for k, v in news.items() if k == INTERNAL}
                return {**inputs, **own}, failures
            case Check(resource=r, olds=olds, news=news):
                return self.get(r.provider).check(r, olds, news)
            case Diff(old=old, new=new, news=news) if old.is_provider:
                return _diff_config(self.candidate(new or old), (new or old).urn, old, news)
            case Diff(old=old, new=new, news=news, ignore_changes=ignore):
                return self.diff(old, new or old, news, ignore)
            case ConfigDiff():
                return self._compare(question)
            case _:
                raise AssertionError(f"{question} is no question to a provider")

    def diff(self, old: Resource, new: Resource, news: Properties, ignore: tuple[str, ...]) -> DiffAnswer:
        """How `news` differ from what `old` has; where the provider does not know, the inputs are compared."""
        answer = self.get(new.provider).diff(new, old, news, ignore)
        if answer.changes is None:
            wanted = with_ignored(news, old.inputs, list(ignore))
            answer.diffs = changed_keys(old.inputs, wanted)
            answer.changes = bool(answer.diffs)
            answer.detailed = {p: PropertyChange(kind) for p, kind, *_ in differences(old.inputs, wanted)}
        return answer

    def _compare(self, question: ConfigDiff) -> DiffAnswer:
        """Whether going from one instance to another replaces what they manage."""
        before = next((r for r in self.base.resources if r.reference == question.old), None)  # as the state has it
        after = self.resource(question.new)
        if before is None or after is None:
            return DiffAnswer(True, replaces=["provider"])
        return _diff_config(self.get(question.new), after.urn, before, after.inputs)

    def candidate(self, r: Resource) -> Provider:
        """The instance a provider resource that is being registered will become."""
        with self._lock:
            if r.urn not in self._candidates:
                self._candidates[r.urn] = self._open(package_of(r.type))
            return self._candidates[r.urn]

    def resource(self, reference: str) -> Resource | None:
        urn, _, ident = reference.rpartition("::")
        new = self._registered.get(urn)
        if new and new.id == ident.replace(UNKNOWN_TEXT, ""):
            return new
        return next((r for r in self.base.resources if r.urn == urn and r.id == ident), None)

    def get(self, reference: str) -> Provider:
        """The configured instance a resource refers to; one of the old state is configured on first use."""
        urn, _, ident = reference.rpartition("::")
        reference = f"{self.aliased.get(urn, urn)}::{ident}"
        with self._lock:
            if reference not in self._instances:
                r = self.resource(reference)
                if r is None:
                    raise EngineError(f"unknown provider '{reference}'; its entry is missing from the state")
                provider = self._open(package_of(r.type))
                provider.configure(r, public(r.inputs))
                self._instances[reference] = provider
            return self._instances[reference]

    def adopt(self, r: Resource, inputs: Properties, *, unchanged: bool = False) -> None:
        """A provider resource is registered: its instance is configured and can be referred to."""
        with self._lock:
            self._registered[r.urn] = r
            loaded = self._instances.get(r.reference) if unchanged else None
            provider = self._instances[r.reference] = loaded or self.candidate(r)
        provider.configure(r, public(inputs))


def _diff_config(provider: Provider, urn: str, old: Resource, news: Properties) -> DiffAnswer:
    answer = provider.diff_config(urn, public(old.inputs), old.outputs, public(news))
    if answer.changes is None:
        answer.changes = not equal(old.outputs, public(news))
    return answer


def public(inputs: Properties) -> Properties:
    """A provider's inputs without the engine's own, which providers never see."""
    return {k: v for k, v in inputs.items() if k != INTERNAL}
