"""Pulumi's stack history as the release ledger: which ARN ran where and when.

`rollout.bakeSeconds` is part of an update, so an update that succeeded has finished its bake: the last known good
version is read from here alone, with quarantine from the registry.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from release.stackfile import NAMESPACE

if TYPE_CHECKING:
    from pulumi.automation import UpdateSummary

_CHANGES = ("update",)
"""Kinds of history entries that carry a program's config; a refresh or destroy deploys no version."""


@dataclass(frozen=True)
class Release:
    """One update that asked for `arn`. `update` is the stack's version; times are UTC, `ended` None while it runs."""

    service: str
    stack: str
    arn: str
    update: int
    started: datetime
    ended: datetime | None
    result: str
    override: Mapping[str, Any]
    message: str = ""

    @property
    def succeeded(self) -> bool:
        """The rollout and its bake were finished."""
        return self.result == "succeeded"

    @property
    def is_rollback(self) -> bool:
        """It was deployed without guardrails because an alarm or a person sent the service back."""
        return self.override.get("guardrails") is False and self.override.get("modelPackageArn") == self.arn


def releases(history: Iterable[UpdateSummary], stack: str, service: str) -> list[Release]:
    """The updates in which the stack's config named a version of `service`, newest first.

    `history` is `Stack.history()`; its config values are strings, structured ones as JSON.
    """
    found = []
    for entry in history:
        if entry.kind not in _CHANGES:
            continue
        settings = _settings(entry, service)
        arn = settings.get("modelPackageArn")
        if isinstance(arn, str) and f":model-package/{service}/" in arn:
            found.append(
                Release(
                    service=service,
                    stack=stack,
                    arn=arn,
                    update=entry.version or 0,
                    started=_utc(entry.start_time),
                    ended=None if entry.end_time is None else _utc(entry.end_time),
                    result=entry.result,
                    override=settings.get("deploymentOverride") or {},
                    message=entry.message or "",
                )
            )
    return sorted(found, key=lambda release: (release.started, release.update), reverse=True)


def last_known_good(history: Sequence[Release], accused: str, is_quarantined: Callable[[str], bool]) -> Release | None:
    """The newest release that finished its bake, other than `accused` and not quarantined; None when there is none."""
    seen: set[str] = {accused}
    for release in history:
        if not release.succeeded or release.arn in seen:
            continue
        seen.add(release.arn)
        if not is_quarantined(release.arn):
            return release
    return None


def brought_in(history: Sequence[Release], arn: str) -> Release | None:
    """The succeeded update that brought `arn`, if it is what the newest succeeded updates name; None otherwise."""
    first = None
    for release in history:
        if not release.succeeded:
            continue
        if release.arn != arn:
            break
        first = release
    return first


def _settings(entry: UpdateSummary, service: str) -> Mapping[str, Any]:
    config = {key: value.value for key, value in entry.config.items() if not value.secret}
    services = _structured(config.get(f"{NAMESPACE}:services"))
    if services:
        return services.get(service) or {}
    override = _structured(config.get(f"{NAMESPACE}:deploymentOverride"))
    return {"modelPackageArn": config.get(f"{NAMESPACE}:modelPackageArn"), "deploymentOverride": override}


def _structured(value: Any) -> dict[str, Any]:
    """An object of the config; the CLI gives it as a JSON string."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return parsed if isinstance(parsed, dict) else {}


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
