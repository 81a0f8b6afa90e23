"""Rollback: desired state back to the last known good version, endpoint first, then the bad one is quarantined."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from release import arns, endpoints, registry
from release.alarms import fired_at
from release.console import Output
from release.deployment import Deployment, edited
from release.errors import MissingError, StackLockedError, UsageError
from release.git import Repository
from release.identity import caller_arn
from release.ledger import Release, releases
from release.promotion import check_deployable
from release.retreat import Plan, plan, predates
from release.stackfile import ServiceForm
from release.workspace import Environment, Project, engine_errors
from settings import ModelPackageArn

_LOCK_POLL_SECONDS = 5.0
_REASON_LIMIT = 256
"""`deploymentOverride.reason`: characters."""


@dataclass(frozen=True)
class Call:
    """Who called for the rollback and why. `push` None means: push where the branch follows a remote one."""

    service: str
    stack: str
    version: str | None
    alarm: str | None
    reason: str
    push: bool | None
    assume_yes: bool
    lock_seconds: float


def roll_back(project: Project, call: Call, output: Output) -> dict[str, Any]:
    """Carry out a rollback; `{service, stack, from, to, config_only, stale, commit, pushed}`.

    Waits for the stack's lock and then starts over, as whoever held it may have changed everything.
    Raises `MissingError` without a last known good version, `StackLockedError` when the wait is over: nothing is
    changed then.
    """
    repository = Repository.around(project.root)
    if call.push and not repository.has_upstream():
        raise UsageError(
            "This branch follows no remote branch.", do="`git push --set-upstream origin HEAD`, or --no-push."
        )
    deadline = time.monotonic() + call.lock_seconds
    while True:
        repository.pull()
        try:
            return _attempt(project, repository, call, output)
        except StackLockedError as locked:
            if time.monotonic() >= deadline:
                raise
            output.say(f"{locked.what} {locked.where}. Waiting …")
            time.sleep(_LOCK_POLL_SECONDS)


@dataclass(frozen=True)
class Scene:
    """What a rollback is decided on: the stack's releases, newest first, and what the endpoint runs."""

    history: list[Release]
    running: str | None


def _scene(environment: Environment, service: str, region: str) -> Scene:
    """Raises `StackLockedError` while a rollout is under way: what answers now is not settled."""
    endpoint = str(environment.services().get(service, {}).get("endpointName") or f"{service}-{environment.name}")
    now = endpoints.running(endpoint, region)
    if now.is_moving:
        raise StackLockedError(f"Endpoint {endpoint} is {now.status}.", do="Wait for the rollout to end.")
    with engine_errors(environment.name):
        history = environment.stack.history(show_secrets=False)
    return Scene(releases(history, environment.name, service), now.package)


def _attempt(project: Project, repository: Repository, call: Call, output: Output) -> dict[str, Any]:
    environment = project.environment(call.stack)
    form = environment.file.service(call.service)
    config_arn = form.settings.get("modelPackageArn")
    known = _known(config_arn, form, call)
    fired = fired_at(call.alarm, known.region) if call.alarm else None
    scene = _scene(environment, call.service, known.region)
    made = _plan(call, known, scene, config_arn)
    if fired and not made.config_only and (current := predates(fired, scene.history, scene.running)):
        output.say(f"Alarm {call.alarm} fired before {current.arn} was brought in: it accuses an earlier version.")
        return _told(call, Plan(current.arn, current.arn, config_only=False), stale=True)
    check_deployable(registry.describe(made.target), form)
    output.say(f"Rolling back {call.service} in {call.stack}: {made.accused} → {made.target}")
    message = f"Roll back {call.service} to version {arns.parse(made.target).version} in {call.stack}"

    def recheck() -> None:
        if _scene(environment, call.service, known.region) != scene:
            raise StackLockedError(f"Somebody else changed stack {call.stack} meanwhile.", do="Run the command again.")

    with edited(environment, _changes(form, made, config_arn, call.reason)):
        Deployment(environment, output, call.assume_yes).run(f"{message}: {call.reason}", recheck=recheck)
    return _settle(environment, repository, call, made, message)


def _plan(call: Call, known: ModelPackageArn, scene: Scene, config_arn: str | None) -> Plan:
    if call.version is None:
        return plan(scene.history, config_arn, scene.running, _is_out_of_reach)
    target, accused = str(arns.named(call.version, known)), scene.running or config_arn
    if accused is None or accused == target:
        raise UsageError(
            f"{call.service} already runs {target}.", where=f"stack {call.stack}", do="There is nothing to roll back."
        )
    return Plan(target=target, accused=accused, config_only=False)


def _is_out_of_reach(arn: str) -> bool:
    """Quarantined, or no longer in the registry: no last known good version."""
    try:
        return registry.describe(arn).is_quarantined
    except MissingError:
        return True


def _settle(environment: Environment, repository: Repository, call: Call, made: Plan, message: str) -> dict[str, Any]:
    """Production is back: keep the bad version out, and make git say so even if the registry cannot."""
    try:
        registry.reject(registry.describe(made.accused), call.reason, by=caller_arn())
    finally:
        body = f"Reason: {call.reason}\nQuarantined: {made.accused}"
        commit = repository.commit(environment.file.path, f"{message}\n\n{body}")
        pushed = repository.has_upstream() if call.push is None else call.push
        if pushed:
            repository.push()
    return _told(call, made, stale=False, commit=commit, pushed=pushed)


def _changes(form: ServiceForm, made: Plan, config_arn: str | None, reason: str) -> dict[str, str | None]:
    """All at once and without alarms: the one that fired would undo the rollback."""
    changes: dict[str, str | None] = {}
    if form.settings.get("deploymentOverride"):
        changes[form.key("deploymentOverride")] = None
    if config_arn != made.target:
        changes[form.key("modelPackageArn")] = made.target
    if not made.config_only:
        override = {
            "modelPackageArn": made.target,
            "strategy": "allAtOnce",
            "guardrails": "false",
            "reason": f"rollback: {reason}"[:_REASON_LIMIT],
        }
        changes |= {form.key(f"deploymentOverride.{key}"): value for key, value in override.items()}
    return changes


def _known(config_arn: str | None, form: ServiceForm, call: Call) -> ModelPackageArn:
    if not config_arn:
        raise MissingError(
            f"{call.service} has no version in {call.stack}, so there is nothing to roll back.",
            where=form.key("modelPackageArn"),
            do=f"`understudy promote {call.service}` brings one there.",
        )
    return arns.parse(str(config_arn), where=form.key("modelPackageArn"))


def _told(call: Call, made: Plan, *, stale: bool, commit: str | None = None, pushed: bool = False) -> dict[str, Any]:
    return {
        "service": call.service,
        "stack": call.stack,
        "from": made.accused,
        "to": made.target,
        "config_only": made.config_only,
        "stale": stale,
        "reason": call.reason,
        "commit": commit,
        "pushed": pushed,
    }
