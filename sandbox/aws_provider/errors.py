"""The errors of the provider; each message is one sentence for the person who runs `pulumi`.

ProviderError               a request that cannot be carried out
├── UnknownTypeError        the table has no such type or function
├── NotConfiguredError      a call on a connection without Configure
├── NamingError             an automatic name is not possible
├── WaitError               AWS accepted the call, and the resource then went wrong
└── AwsError                a botocore error with the operation that met it
PartialError                the resource exists, but is not as asked; it is saved with the reasons
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


class ProviderError(Exception):
    """A request that cannot be carried out."""


class UnknownTypeError(ProviderError):
    """The table has no such type or function."""


class NotConfiguredError(ProviderError):
    """A call on a connection that never sent Configure."""


class NamingError(ProviderError):
    """An automatic name is not possible."""


class WaitError(ProviderError):
    """AWS accepted the call, and the resource then did not get to the state it should have."""


class AwsError(ProviderError):
    """An AWS call that failed; `code` and `text` are AWS's own."""

    def __init__(self, operation: str, error: ClientError | BotoCoreError) -> None:
        details: Mapping[str, Any] = error.response.get("Error", {}) if isinstance(error, ClientError) else {}
        self.operation = operation
        self.code = str(details.get("Code", type(error).__name__))
        self.text = str(details.get("Message") or error)
        super().__init__(f"{operation}: {self.code}: {self.text}")

    def matches(self, patterns: tuple[str, ...]) -> bool:
        """Whether one of `Code` or `Code: part of the message` fits."""
        for pattern in patterns:
            code, _, text = pattern.partition(": ")
            if code == self.code and text in self.text:
                return True
        return False


class PartialError(Exception):
    """A resource that exists under `id`, with `properties`, but is not what was asked for."""

    def __init__(self, identifier: str, properties: dict[str, Any], inputs: dict[str, Any], reason: str) -> None:
        super().__init__(reason)
        self.id = identifier
        self.properties = properties
        self.inputs = inputs
        self.reason = reason
