"""What a person of the engine may see go wrong.

EngineError: what, where and what to do; printed as `error: …`, exit code 1.
  ConfirmationError, NoStackError: those with an exit code of their own, as in Pulumi.
  RefusedError: a Pulumi feature this engine knows by name and does not have.
  ProtectedError: a resource that is to be deleted is protected.
  ProviderError: a provider's answer to a call was an error.
  InitError: a provider created or updated an object that did not become ready.
Everything else is a bug and shows as a traceback.
"""

from __future__ import annotations

from typing import Any

UNPROTECT = (
    "To unprotect the resource, remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`"
)
UNPROTECT_BY_COMMAND = UNPROTECT + ", or use the command:\n`pulumi state unprotect '{}'`"


class EngineError(Exception):
    """A failure that is the user's to repair; the message is complete."""

    exit_code = 1


class ConfirmationError(EngineError):
    """A command that would ask a person, who is not there."""

    exit_code = 2


class NoStackError(EngineError):
    """The stack that is meant does not exist."""

    exit_code = 6


class RefusedError(EngineError):
    """A feature of Pulumi that this engine does not have."""

    def __init__(self, feature: str) -> None:
        super().__init__(
            f"{feature}: not supported by the embedded engine; use the Pulumi CLI for it (limits: docs/engine.md)"
        )


class ProtectedError(EngineError):
    """A protected resource is to be deleted; everything that can go still does."""

    def __init__(self, urn: str) -> None:
        hint = UNPROTECT_BY_COMMAND.format(urn)
        super().__init__(f'resource "{urn}" cannot be deleted\nbecause it is protected. {hint}')


class ProviderError(EngineError):
    """A provider call failed; the object may have changed all the same."""


class InitError(ProviderError):
    """The object exists under `id` with `inputs` and `outputs`, but `reasons` tell why it is not ready."""

    def __init__(self, ident: str, inputs: dict[str, Any], outputs: dict[str, Any], reasons: list[str]) -> None:
        super().__init__("\n".join(["1 error occurred:", *(f"\t* {r}" for r in reasons), ""]))
        self.id, self.inputs, self.outputs, self.reasons = ident, inputs, outputs, reasons
