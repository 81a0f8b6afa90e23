"""Carries out steps: asks the planner, calls providers, keeps the journal, reports."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sandbox.engine.apply import Applier
from sandbox.engine.errors import EngineError, InitError, ProtectedError, ProviderError
from sandbox.engine.journal import Journal
from sandbox.engine.planner import Plan, Planner
from sandbox.engine.plugins import Instances, Plugins
from sandbox.engine.report import Report
from sandbox.engine.state import Resource, Snapshot
from sandbox.engine.steps import CheckError, Goal, Step, waves
from sandbox.engine.urns import STACK_TYPE
from sandbox.engine.values import Properties, equal


class StoppedError(Exception):
    """The deployment is over (an error, or cancelled): nothing more is started."""


class Executor:
    """`parallel`: operations that may run at once."""

    def __init__(
        self, base: Snapshot, plugins: Plugins, journal: Journal, report: Report, *, preview: bool, parallel: int
    ) -> None:
        self.preview, self.parallel = preview, parallel
        self.journal, self.report = journal, report
        self.instances = Instances(plugins, base)
        self.rebase(base)
        self.counts: Counter[str] = Counter()
        self.maybe_corrupt = False
        self.saw_error = False  # one after which the deployment goes on, to fail at its end
        self.error = ""  # "", "refused" (said already), "failed" or "canceled"
        self.stopped = threading.Event()
        self.stopped_or_ended = threading.Event()
        self._planning = threading.RLock()
        self._slots = threading.Condition()
        self._running = 0
        self._stack_outputs: Properties | None = None
        self._seen: dict[str, Step] = {}

    def rebase(self, base: Snapshot) -> None:
        """What the deployment starts from: the state, and after a refresh what was read."""
        self.base = self.instances.base = base
        self.planner = Planner(base, preview=self.preview, notify=self._notify)
        self._applier = Applier(self.instances, self.planner.going, preview=self.preview)
        self.journal.former, self.instances.aliased = self.planner.former, self.planner.aliased

    def _notify(self, severity: str, urn: str, message: str) -> None:
        self.report.diagnostic(severity, message, urn)
        self.saw_error = self.saw_error or severity == "error"

    # -- what the monitor calls
    def register(self, goal: Goal) -> Resource:
        """Plans, one at a time, and carries out. Raises StoppedError when the deployment is over. What cannot be
        planned ends it without an `update failed`."""
        with self._planning:
            self._go_on()
            try:
                steps = self._answered(self.planner.plan(goal))
            except EngineError as e:
                self.refuse(goal.urn, *(e.messages if isinstance(e, CheckError) else [str(e)]))
                raise StoppedError from e
        for step in steps:
            self._step(step)
        found = self.registered(goal.urn)
        if found is None:
            raise AssertionError(f"{goal.urn}: a registration without a result")
        return found

    def outputs(self, urn: str, outputs: Properties) -> None:
        """RegisterResourceOutputs of a component. The Stack's wait for `finish_stack`."""
        self._go_on()
        step = self._seen.get(urn)
        if step is None:
            raise EngineError(f"outputs of {urn}, which was not registered")
        if step.resource.type == STACK_TYPE:
            self._stack_outputs = outputs
        else:
            self._set_outputs(step, outputs)

    def finish_stack(self) -> None:
        """Once all is over, the Stack has its outputs. After an error those that are missing keep their value, as
        nobody knows whether the program would have exported them."""
        step = next((s for s in self._seen.values() if s.resource.type == STACK_TYPE), None)
        if step and self._stack_outputs is not None:
            failed = self.saw_error or self.error in ("refused", "failed")
            kept = step.old.outputs if step.old and failed else {}
            self._set_outputs(step, {**kept, **self._stack_outputs})

    def _set_outputs(self, step: Step, outputs: Properties) -> None:
        changed = not equal(step.resource.outputs, outputs)
        step.resource.outputs = outputs
        self.report.outputs(step)
        if changed:
            self.journal.changed()

    def registered(self, urn: str) -> Resource | None:
        """What has become of a registration."""
        step = self._seen.get(urn)
        return step.new if step else None

    def stack_outputs(self) -> tuple[Properties, Properties]:
        """The Stack's outputs as they were, and as this deployment has them."""
        after = next((s.new for s in self._seen.values() if s.resource.type == STACK_TYPE), None)
        before = self.base.stack
        return before.outputs if before else {}, after.outputs if after else {}

    def delete_the_rest(self) -> None:
        """After a successful program: what it no longer has."""
        steps = self.planner.deletions()
        try:
            for step in steps:
                if step.resource.provider:
                    self.instances.get(step.resource.provider)
        except EngineError as e:
            self.report.diagnostic("error", str(e))
            self.stop("failed")
            return
        needed: set[Resource] = set()  # by what is protected, and therefore not deleted either
        with ThreadPoolExecutor(self.parallel) as pool:
            for wave in waves(steps):
                going = [s for s in wave if s.resource not in needed]
                gone = {s for s, done in zip(going, pool.map(self._done, going), strict=True) if done}
                needed.update(*(self.base.needed_by(s.resource) for s in going if s not in gone))

    def _done(self, step: Step) -> bool:
        with contextlib.suppress(StoppedError):
            self._step(step)
            return True
        return False

    def refuse(self, urn: str, *messages: str) -> None:
        """The deployment is over, and why is said."""
        for message in messages:
            self.report.diagnostic("error", message, urn)
        self.stop("refused")

    def stop(self, why: str) -> None:
        """Nothing more starts; what runs goes on to its end."""
        if not self.stopped.is_set():
            self.error = why
            self.stopped.set()
            self.stopped_or_ended.set()

    def wait_idle(self) -> None:
        """Waits until no provider is asked anything: neither for a plan, nor by a step."""
        with self._planning, self._slots:
            self._slots.wait_for(lambda: self._running == 0)

    def _go_on(self) -> None:
        if self.stopped.is_set():
            raise StoppedError

    def _answered(self, plan: Plan) -> list[Step]:
        """Drives a plan to its end."""
        answer: object = None
        try:
            while True:
                question, answer = plan.send(answer), None
                if isinstance(question, Step):
                    self._step(question)
                else:
                    answer = self.instances.answer(question)
        except StopIteration as e:
            steps: list[Step] = e.value
            return steps

    # -- steps
    def _step(self, step: Step) -> None:
        """Waits for a free slot. Raises StoppedError when the deployment is over by then."""
        with self._slots:
            self._slots.wait_for(lambda: self._running < self.parallel)
            self._go_on()
            self._running += 1
        try:
            self._carry_out(step)
        finally:
            with self._slots:
                self._running -= 1
                self._slots.notify_all()

    def _carry_out(self, step: Step) -> None:
        started = time.monotonic()
        if step.new is not None:
            self._seen[step.urn] = step
        self.report.before(step)
        self.journal.begin(step)
        try:
            self._applier.apply(step)
        except BaseException as e:
            error = e if isinstance(e, EngineError) else EngineError(f"internal error: {e!r}")
            self.report_failure(step, error, started)
            self.journal.end(step, succeeded=isinstance(e, InitError))
            if isinstance(e, ProtectedError):
                self.saw_error = True
            else:
                self.stop("failed")
            if error is not e:
                raise
            raise StoppedError from e
        if _counts(step):
            self.count(step.op)
        if step.resource.custom or step.resource.type == STACK_TYPE:
            self.report.after(step, time.monotonic() - started)
        self.journal.end(step, succeeded=True)

    def count(self, op: str) -> None:
        with self._slots:
            self.counts[op] += 1

    def report_failure(self, step: Step, error: EngineError, started: float) -> None:
        self.report.diagnostic("error", f"{'Preview failed: ' if self.preview else ''}{error}", step.urn)
        if not self.preview:
            creating = step.op in ("create", "create-replacement")
            if isinstance(error, ProviderError) and not isinstance(error, InitError) and not creating:
                self.maybe_corrupt = True
            self.report.failed(step, time.monotonic() - started)


def _counts(step: Step) -> bool:
    """Whether the summary tells of it: not of the engine's own providers, nor of reads that brought nothing new."""
    if not step.logical or step.resource.is_default_provider:
        return False
    return step.op != "read" or bool(step.old and not equal(step.old.outputs, step.resource.outputs))
