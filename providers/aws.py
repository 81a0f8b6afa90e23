"""What the dynamic providers share: clients, patience, progress, and telling AWS's errors apart.

Providers are loaded from state by reference to their module, so nothing here has side effects at import.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

RETRIES = {"mode": "standard", "total_max_attempts": 8}
"""botocore's standard mode retries throttling and connection errors with exponential back-off and jitter."""

TRANSIENT_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)

_making = threading.Lock()

FIRST_POLL_SECONDS = 0.2
DEFAULT_POLL_SECONDS = 15.0


class ProviderError(Exception):
    """A step that failed for a reason a person can act on; Pulumi shows its text with the resource's name."""


def client(service: str, props: Mapping[str, Any]) -> Any:
    """A boto3 client in the resource's `region`, as its `assume_role_arn`, where given; made once in a process.

    An explicit `aws.Provider`'s credentials do not reach a dynamic provider, so both are inputs of the resource;
    without them boto3's default chain applies. Assumed credentials refresh themselves: a rollout may outlast them.
    """
    with _making:  # making clients is not safe in two threads at once, using them is
        return _client(service, props.get("region"), props.get("assume_role_arn"))


@cache
def _client(service: str, region: str | None, role: str | None) -> Any:
    """Reading the description of a service takes a second of a processor, so clients are kept."""
    from botocore.config import Config

    return _session(role).client(service, region_name=region, config=Config(retries=RETRIES))


@cache
def _session(role: str | None) -> Any:
    # The program imports the providers too, and calls no one.
    import boto3
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    session = botocore.session.get_session()
    if role:
        own = session.get_credentials()
        if own is None:
            raise ProviderError(f"no AWS credentials with which to assume {role}: set AWS_PROFILE or AWS_ACCESS_KEY_ID")
        fetcher = AssumeRoleCredentialFetcher(
            session.create_client, own, role, extra_args={"RoleSessionName": "understudy"}
        )
        session = botocore.session.get_session()
        # botocore has no public way to hand a session credentials that refresh themselves.
        session._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return boto3.Session(botocore_session=session)


def forget_clients() -> None:
    """Make clients anew from now on, for another environment or other credentials."""
    with _making:
        _client.cache_clear()
        _session.cache_clear()


def is_not_found(error: ClientError) -> bool:
    """SageMaker says *not found* with `ValidationException`, and words that differ from resource to resource."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in ("ResourceNotFound", "ResourceNotFoundException"):
        return True
    return code == "ValidationException" and (
        message.startswith(("Could not find ", "Cannot find ")) or "does not exist" in message
    )


def is_transient(error: Exception) -> bool:
    """True for what another try may cure: throttling, AWS's own faults, a connection that broke."""
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in TRANSIENT_CODES
    return isinstance(error, BotoConnectionError | HTTPClientError)


def patiently(call: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """The answer of a read, or None where AWS asks for patience even after botocore's own retries."""
    try:
        return call()
    except (ClientError, BotoConnectionError, HTTPClientError) as error:
        if is_transient(error):
            return None
        raise


def polls(timeout_seconds: float, poll_seconds: float = DEFAULT_POLL_SECONDS) -> Iterator[float]:
    """Yield the seconds waited so far, at once and then after ever longer pauses, until `timeout_seconds`.

    A pause is a tenth of the time waited so far, at least 0.2 s and at most `poll_seconds`: a short wait is noticed
    soon, a long one costs few calls.
    """
    start = time.monotonic()
    while (waited := time.monotonic() - start) < timeout_seconds:
        yield waited
        time.sleep(min(poll_seconds, max(FIRST_POLL_SECONDS, waited / 10)))


def say(line: str) -> None:
    """Print a line of progress.

    `pulumi.log` needs the engine's address, which the host of dynamic providers is not given. The engine shows what
    the host writes to stderr, line by line, while the step runs.
    """
    print(line, file=sys.stderr, flush=True)
