"""What event delivery asks of Lambda and CodeBuild; `sandbox.cloud.compute` implements it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class FunctionMissingError(Exception):
    """No function has this ARN."""


class ThrottledError(Exception):
    """The function's reserved concurrency is used up; try again."""


class StoppingError(Exception):
    """The sandbox stops: the invocation was not run, or was ended."""


@dataclass(frozen=True)
class InvocationResult:
    """`error` is None, or `Unhandled` as in X-Amz-Function-Error; then the payload describes the error."""

    payload: bytes
    error: str | None = None


class Functions(Protocol):
    def invoke(self, arn: str, payload: bytes) -> InvocationResult:
        """Runs the function and waits. Raises FunctionMissingError, ThrottledError, StoppingError."""
        ...

    def invoke_later(self, arn: str, payload: bytes) -> None:
        """Asynchronous invocation with Lambda's retries. Raises FunctionMissingError."""
        ...

    def timeout_seconds(self, arn: str) -> float:
        """The function's configured timeout. Raises FunctionMissingError."""
        ...

    def role(self, arn: str) -> str:
        """The ARN of the function's execution role. Raises FunctionMissingError."""
        ...

    def policy(self, arn: str) -> str:
        """The function's resource policy. Raises FunctionMissingError."""
        ...


class Builds(Protocol):
    def start_build(self, project_arn: str, parameters: Mapping[str, Any]) -> str:
        """Starts a build with StartBuild's parameters; returns its id. Raises LookupError for a missing project."""
        ...
