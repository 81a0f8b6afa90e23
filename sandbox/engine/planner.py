"""The pure planner: old state and registrations in, steps out.

It talks to nobody. Where Pulumi's engine asks a provider, `plan` yields the question (`Check`, `Diff`, `ConfigDiff`)
and is sent the answer, so a test drives it with a list of answers and the executor with real providers.
Source of the rules: pkg/resource/deploy/step_generator.go in pulumi/pulumi, held against the recorded cases.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from sandbox.engine.errors import UNPROTECT, UNPROTECT_BY_COMMAND
from sandbox.engine.state import Resource, Snapshot, provider_urn
from sandbox.engine.steps import (
    INIT_ERROR,
    Check,
    CheckError,
    ConfigDiff,
    Diff,
    DiffAnswer,
    Goal,
    Load,
    PropertyChange,
    Question,
    Step,
    difference_text,
    failure_text,
)
from sandbox.engine.values import UNKNOWN, Properties, covers, equal, join, parse_path, with_ignored

Plan = Generator[Question, Any, list[Step]]
Notify = Callable[[str, str, str], None]  # of (severity, urn, message)
IMPORTED = (
    "previously-imported resources that still specify an ID may not be replaced; please remove the `import` "
    "declaration from your program;"
)


class Planner:
    """Plans one deployment, a registration at a time."""

    def __init__(self, base: Snapshot, *, preview: bool = False, notify: Notify = lambda *_: None) -> None:
        self.base, self.preview, self._notify = base, preview, notify
        self.olds: dict[str, Resource] = {r.urn: r for r in base.resources if not r.delete}
        self._seen: set[str] = set()  # URNs registered or read
        self._kept: set[Resource] = set()  # what of the base this deployment goes on with
        self._deleted_early: dict[Resource, list[str]] = {}  # deleted before a replacement -> replacement keys
        self.going: set[Resource] = set()  # whose object this deployment deletes
        self._replaced: set[str] = set()  # URNs that get another object
        self.aliased: dict[str, str] = {}  # alias in the state -> URN now
        self.former: dict[str, str] = {}  # URN -> the alias it was found under

    # -- registrations
    def plan(self, goal: Goal) -> Plan:
        """The steps of one registration. Raises CheckError when it is refused."""
        if goal.urn in self._seen:
            raise CheckError(goal.urn, f"Duplicate resource URN '{goal.urn}'; try giving it a unique name")
        self._seen.add(goal.urn)
        old = self._find_old(goal)
        if goal.external:
            return self._read(goal, old)
        recreating = old in self._deleted_early and old.urn == goal.urn  # one under another URN is planned anew
        known = old and not old.external and goal.import_id == (old.import_id or old.id)
        if goal.custom and goal.import_id and not known:
            return (yield from self._import(goal, old, recreating))
        new = replace(goal)
        if old is None or recreating or old.external:
            new.inputs = yield from self._check(new, {}, goal.inputs)
        else:
            wanted = with_ignored(goal.inputs, old.inputs, goal.ignore_changes)
            new.inputs = yield from self._check(new, old.inputs, wanted)
        if old is None:
            return [Step("create", goal.urn, None, new)]
        self._kept.add(old)
        if recreating:
            keys = self._deleted_early.pop(old)
            self._replaced.add(goal.urn)
            last = Step("create-replacement", goal.urn, old, new, keys=keys, logical=False)
            return [Step("replace", goal.urn, old, new), last]
        if old.external and goal.custom:
            return _over(goal.urn, "create-replacement", old, new)
        return (yield from self._from_diff(goal, old, new))

    def _from_diff(self, goal: Goal, old: Resource, new: Goal) -> Plan:
        diff = yield from self._diff(goal, old, new)
        if old.pending_replacement or (diff.changes and diff.replace):
            return (yield from self._replacement(goal, old, new, diff))
        if diff.changes or old.init_errors:
            return [Step("update", goal.urn, old, new, diffs=diff.diffs, detailed=diff.detailed)]
        return [Step("same", goal.urn, old, new)]

    def _read(self, goal: Goal, old: Resource | None) -> list[Step]:
        """The steps of `Resource.get`: an external resource, which is read and never owned."""
        if old:
            self._kept.add(old)
        if old and not old.external and old.id != goal.id:
            self._replaced.add(goal.urn)
            return _over(goal.urn, "read-replacement", old, replace(goal))
        return [Step("read", goal.urn, old, replace(goal))]

    def _find_old(self, goal: Goal) -> Resource | None:
        """The state's entry under the goal's URN, or else under the first of its aliases that is there. `conflicts`
        of the goal is why it is not the goal's to take."""
        if goal.urn in self.aliased:
            by = f"conflicting with alias on resource with URN '{self.aliased[goal.urn]}'"
            goal.conflicts.append(f"Duplicate resource URN '{goal.urn}' {by}")
        alias = next((urn for urn in (goal.urn, *goal.aliases) if urn in self.olds), goal.urn)
        if alias != goal.urn:
            for other in filter(None, (alias in self._seen and goal.urn, self.aliased.get(alias))):
                text = f"Duplicate resource alias '{alias}' applied to resource with URN '{goal.urn}'"
                goal.conflicts.append(f"{text} conflicting with resource with URN '{other}'")
            self.aliased[alias], self.former[goal.urn] = goal.urn, alias
        return self.olds.get(alias)

    def _import(self, goal: Goal, old: Resource | None, recreating: bool) -> Plan:
        """The object is read first; what the program wants of it is planned as of one that was there."""
        found = replace(goal, id=goal.import_id)
        if old:
            self._kept.add(old)
        if old and not recreating:
            yield from _over(goal.urn, "import-replacement", old, found)
        else:
            yield Step("import", goal.urn, old, found)
        new = replace(goal, inputs=with_ignored(goal.inputs, found.inputs, goal.ignore_changes))
        new.inputs = yield from self._check(new, found.inputs, new.inputs)
        steps = yield from self._from_diff(goal, found, new)
        return [s for s in steps if s.op != "same"]

    # -- asking
    def _check(self, new: Goal, olds: Properties, news: Properties) -> Generator[Question, Any, Properties]:
        """The inputs as the provider has them; a component's stay as they are."""
        inputs, failures = (yield Check(new, olds, news)) if new.custom else (new.inputs, [])
        if refusals := [*new.conflicts, *(failure_text(new, news, *f) for f in failures)]:
            raise CheckError(new.urn, *refusals)
        return dict(inputs)

    def _diff(self, goal: Goal, old: Resource, new: Resource) -> Generator[Question, Any, DiffAnswer]:
        if goal.deleted_with in self._replaced:
            return DiffAnswer(True, replaces=["deletedWith"])
        answer: DiffAnswer
        if (yield from self._provider_changed(old.provider, new.provider)):
            return DiffAnswer(True, replaces=["provider"])
        if not goal.custom:
            wanted = with_ignored(new.inputs, old.inputs, goal.ignore_changes)
            return DiffAnswer(not equal(old.inputs, wanted))
        answer = yield Diff(old, new, new.inputs)
        return replace_on_changes(answer, goal.replace_on_changes, bool(old.init_errors))

    def _provider_changed(self, old: str, new: str) -> Generator[Question, Any, bool]:
        """Whether another provider instance means another object; an instance that was only renamed does not."""
        if old == new or self.aliased.get(provider_urn(old)) == provider_urn(new):
            return False
        if not old or not new:
            return True
        answer: DiffAnswer = yield ConfigDiff(old, new)
        return answer.replace

    def _replacement(self, goal: Goal, old: Resource, new: Goal, diff: DiffAnswer) -> Plan:
        if new.protect and old.protect:
            message = f'unable to replace resource "{goal.urn}"\nas it is currently marked for protection. {UNPROTECT}'
            self._object("error", goal.urn, message)
        if goal.import_id:
            differing = (difference_text(old, new, k) for k in diff.replaces)
            self._object("warning", goal.urn, "\n".join([IMPORTED, *differing]))
        if goal.custom:
            new.inputs = yield from self._check(new, {}, goal.inputs)

        def step(op: str, *, logical: bool, condemns_old: bool = False) -> Step:
            return Step(op, goal.urn, old, new, diff.replaces, diff.diffs, diff.detailed, logical, condemns_old)

        self._replaced.add(goal.urn)
        wanted = goal.delete_before_replace
        if wanted if wanted is not None else diff.delete_before_replace:
            self.going.add(old)
            steps = yield from self._early_deletes(old)
            yield Load(old.provider)
            if not old.pending_replacement:
                steps.append(_early_delete(old))
            return [*steps, step("replace", logical=True), step("create-replacement", logical=False)]
        return [step("create-replacement", logical=False, condemns_old=True), step("replace", logical=True)]

    def _object(self, severity: str, urn: str, message: str) -> None:
        """Refuses a registration; a preview says why, and goes on."""
        if not self.preview:
            raise CheckError(urn, message)
        self._notify(severity, urn, message)

    def _early_deletes(self, root: Resource) -> Plan:
        """Deletes of the dependents that a delete-before-replace of `root` takes along: what is deleted with it, then
        what would be replaced, dependents first."""
        doomed = {root.urn}
        steps: list[Step] = []
        for r in self.base.resources:
            if r is root or r.urn in self._seen or r in self._deleted_early:
                continue
            keys: list[str] = []
            if r.deleted_with != root.urn and (not r.custom or r.external):
                continue
            if provider_urn(r.provider) in doomed:
                yield Load(r.provider)
            elif r.deleted_with not in doomed:
                touched = {k for k in r.inputs if doomed.intersection(r.property_dependencies.get(k, ()))}
                if not touched:
                    continue
                news = {k: UNKNOWN if k in touched else v for k, v in r.inputs.items()}
                answer: DiffAnswer = yield Diff(r, None, news)
                answer = replace_on_changes(answer, r.replace_on_changes, False)
                if not answer.replace:
                    continue
                keys = answer.replaces
            doomed.add(r.urn)
            self._deleted_early[r] = keys
            self.going.add(r)
            steps.append(Step("delete", r.urn, r) if r.delete else _early_delete(r))
        steps = sorted(steps[::-1], key=lambda step: step.resource.deleted_with != root.urn)
        if protected := next((s.urn for s in steps if s.early and s.resource.protect), None):
            why = f'unable to replace resource "{protected}" as part of replacing "{root.urn}"'
            hint = UNPROTECT_BY_COMMAND.format(protected)
            raise CheckError(root.urn, f"{why} as it is currently marked for protection. {hint}")
        return steps

    # -- the end
    def deletions(self) -> list[Step]:
        """What the program no longer has, and what replacements left behind: newest first."""
        steps: list[Step] = []
        for r in reversed(self.base.resources):
            if r in (self._deleted_early if r.delete else self._kept):
                continue
            self.going.add(r)
            if r.delete:
                steps.append(Step("discard-replaced" if r.external else "delete-replaced", r.urn, r, logical=False))
            elif r.pending_replacement:
                steps.append(Step("remove-pending-replace", r.urn, r, logical=False))
            else:
                steps.append(Step("discard" if r.external else "delete", r.urn, r))
        return steps


def _over(urn: str, op: str, old: Resource, new: Resource) -> list[Step]:
    """Another object, imported, read or made, takes the place of the one the state has."""
    return [Step(op, urn, old, new, logical=False, condemns_old=True), Step("replace", urn, old, new)]


def _early_delete(old: Resource) -> Step:
    return Step("delete-replaced", old.urn, old, logical=False, early=True)


def replace_on_changes(diff: DiffAnswer, paths: list[str], init_errors: bool) -> DiffAnswer:
    """Turns changes at `paths` into replacements. Works on what the provider told, as Pulumi does: a provider that
    names no properties (pulumi.dynamic) gets none."""
    if not paths or not (diff.changes or init_errors):
        return diff
    patterns = [parse_path(p) for p in paths]

    def matched(path: str) -> bool:
        return any(covers(p, parse_path(path)) for p in patterns)

    for path, change in (diff.detailed or {}).items():
        if matched(path) and not change.kind.endswith("-replace"):
            change.kind += "-replace"
    diff.replaces = diff.replaces + [k for k in diff.diffs if k not in diff.replaces and matched(join("", k))]
    if init_errors and matched(INIT_ERROR):
        diff.replaces.append(INIT_ERROR)
        diff.changes = True
        if diff.detailed is not None:
            diff.detailed[INIT_ERROR] = PropertyChange("update-replace", False)
    return diff
