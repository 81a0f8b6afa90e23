"""Lambda's operations that moto has not, or not as AWS: Invoke, and what CreateFunction checks and describes."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse

from sandbox.cloud.actions import AwsError, Call, plug_in
from sandbox.cloud.compute.asynchronous import AsyncInvocations
from sandbox.cloud.compute.functions import FunctionService, logging_of
from sandbox.cloud.eventing.functions import FunctionMissingError, StoppingError, ThrottledError
from sandbox.cloud.eventing.overrides import Method, override
from sandbox.cloud.ports import Scope
from sandbox.cloud.trust import trusts_service

ASYNCHRONOUS_BYTES = 1024 * 1024
SYNCHRONOUS_BYTES = 6 * 1024 * 1024


class LambdaApi:
    """Handlers, and the changes to moto's classes."""

    def __init__(self, functions: FunctionService, invocations: AsyncInvocations) -> None:
        self._functions = functions
        self._invocations = invocations

    def install(self) -> None:
        plug_in(LambdaResponse, {"Invoke": self.invoke})
        override(LambdaResponse, "invoke", _with_status)
        override(LambdaBackend, "create_function", _create)
        override(LambdaBackend, "delete_function", self._delete)
        override(LambdaFunction, "__init__", _initialise)
        override(LambdaFunction, "update_configuration", _update)
        override(LambdaFunction, "get_configuration", _describe)

    def invoke(self, call: Call) -> dict[str, Any]:
        arn = self._arn(call)
        payload: bytes = call.get("Payload") or b""
        payload = payload if isinstance(payload, bytes) else str(payload).encode()
        kind = call.get("InvocationType") or "RequestResponse"
        self._check_payload(payload, ASYNCHRONOUS_BYTES if kind == "Event" else SYNCHRONOUS_BYTES)
        try:
            if kind == "DryRun":
                self._functions.version(arn)
                return {"StatusCode": 204}
            if kind == "Event":
                self._invocations.invoke_later(arn, payload)
                return {"StatusCode": 202}
            result = self._functions.invoke(arn, payload)
        except FunctionMissingError as error:
            raise AwsError("ResourceNotFoundException", f"Function not found: {arn}") from error
        except ThrottledError as error:
            raise AwsError("TooManyRequestsException", str(error)) from error
        except StoppingError as error:
            raise AwsError("ServiceException", "The sandbox is stopping.") from error
        answer: dict[str, Any] = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": result.payload}
        if result.error is not None:
            answer["FunctionError"] = result.error
        return answer

    @staticmethod
    def _check_payload(payload: bytes, most: int) -> None:
        if len(payload) > most:
            raise AwsError(
                "RequestTooLargeException", f"{len(payload)} byte payload is too large for the limit ({most} bytes)"
            )
        try:
            json.loads(payload or b"null")
        except ValueError as error:
            raise AwsError(
                "InvalidRequestContentException", f"Could not parse request body into json: {error}"
            ) from error

    @staticmethod
    def _arn(call: Call) -> str:
        name, qualifier = call["FunctionName"], call.get("Qualifier")
        if not name.startswith("arn:"):
            name = name.rsplit("function:", 1)[-1]
            name = f"arn:aws:lambda:{call.scope.region}:{call.scope.account}:function:{name}"
        return f"{name}:{qualifier}" if qualifier and name.count(":") == 6 else str(name)

    def _delete(self, delete: Method) -> Method:
        def delete_function(backend: LambdaBackend, function_name: str, qualifier: str | None = None) -> None:
            delete(backend, function_name, qualifier)
            name = function_name.split(":")[6] if function_name.startswith("arn:") else function_name
            self._functions.forget(name, Scope(backend.account_id, backend.region_name))

        return delete_function


def _with_status(action: Method) -> Method:
    """Invoke's StatusCode member is the HTTP status, which depends on the invocation type."""
    statuses = {"Event": 202, "DryRun": 204}

    def invoke(response: LambdaResponse) -> Any:
        result = action(response)
        status = statuses.get(response.headers.get("X-Amz-Invocation-Type"))
        if status is None:
            return result
        _, headers, _ = response.serialized(result)
        return status, {**headers, "status": status}, ""

    return invoke


def _create(create: Method) -> Method:
    """CreateFunction refuses a role that Lambda cannot assume."""

    def create_function(backend: LambdaBackend, spec: dict[str, Any]) -> Any:
        if not trusts_service(spec["Role"], "lambda.amazonaws.com"):
            raise AwsError(
                "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda."
            )
        return create(backend, spec)

    return create_function


def _initialise(initialise: Method) -> Method:
    def of_spec(function: Any, account_id: str, spec: dict[str, Any], *rest: Any, **named: Any) -> None:
        function.dead_letter_config = spec.get("DeadLetterConfig")
        function.logging_config = spec.get("LoggingConfig")
        initialise(function, account_id, spec, *rest, **named)

    return of_spec


def _update(update: Method) -> Method:
    def update_configuration(function: Any, changes: dict[str, Any]) -> Any:
        if "DeadLetterConfig" in changes:
            function.dead_letter_config = changes["DeadLetterConfig"]
        if "LoggingConfig" in changes:
            function.logging_config = {**(function.logging_config or {}), **changes["LoggingConfig"]}
        update(function, changes)
        return function.get_configuration()

    return update_configuration


def _describe(describe: Method) -> Method:
    """Adds DeadLetterConfig and LoggingConfig, which moto drops, and a RevisionId that changes with the function."""

    def get_configuration(function: Any, on_create: bool = False) -> dict[str, Any]:
        configuration: dict[str, Any] = describe(function, on_create)
        if (function.dead_letter_config or {}).get("TargetArn"):
            configuration["DeadLetterConfig"] = function.dead_letter_config
        configuration["LoggingConfig"] = logging_of(function)
        digest = hashlib.sha256(json.dumps(configuration, sort_keys=True, default=str).encode()).hexdigest()
        configuration["RevisionId"] = str(uuid.UUID(digest[:32]))
        return configuration

    return get_configuration
