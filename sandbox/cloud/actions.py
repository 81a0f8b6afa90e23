"""Operations of ours in place of moto's.

`plug_in(SageMakerResponse, {"CreateModel": create_model})` replaces (or adds) an action of a moto response class. The
handler gets a `Call` with the parameters under AWS's names, as botocore's service model parses them, and returns the
response's members as a dict (or None); both directions go through moto's model-driven parser and serialiser, so JSON,
query, REST and CBOR clients are all served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores, get_service_model

from sandbox.cloud import identity
from sandbox.cloud.constraints import violations
from sandbox.cloud.ports import Scope


class AwsError(ServiceException):
    """An answer in AWS's words: `AwsError(code, message)`; the HTTP status follows from the service model."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


@dataclass(frozen=True)
class Call:
    """One request to an operation."""

    scope: Scope
    caller: str
    """The caller's ARN, an assumed-role session as a rule."""
    parameters: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """A parameter that the service model requires (or that the handler knows to be there)."""
        return self.parameters[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter, or `default` where the request does not have it."""
        return self.parameters.get(name, default)


Handler = Callable[[Call], Mapping[str, Any] | None]
Action = Callable[[BaseResponse], Any]


def plug_in(response_class: type[BaseResponse], handlers: Mapping[str, Handler], *, validate: bool = True) -> None:
    """Serve the operations (AWS's names) of a moto response class by `handlers`.

    With `validate`, a request that breaks a constraint of the service model (required, length, range, pattern, enum)
    is refused with AWS's `1 validation error detected: …` before the handler sees it.
    """
    for operation, handler in handlers.items():
        name = camelcase_to_underscores(operation)
        replaced = getattr(response_class, name, None)
        # A second sandbox in one process replaces the first one's handler, not moto's.
        of_moto = getattr(replaced, "of_moto", replaced)
        setattr(response_class, name, _action(operation, handler, of_moto, validate))


class FallbackSignal(Exception):  # noqa: N818 - it reports no error
    """Raised by a handler that leaves the request to moto's own action, which it replaced."""


def _action(operation: str, handler: Handler, of_moto: Action | None, validate: bool) -> Action:
    def action(response: BaseResponse) -> Any:
        parameters = _parse(response, operation)
        if validate:
            problems = violations(get_service_model(response.boto3_service_name), operation, parameters)
            if problems:
                raise AwsError("ValidationException", problems)
        scope = Scope(response.current_account, response.region)
        call = Call(scope, identity.caller_arn(response.access_key, scope), parameters)
        try:
            return ActionResult(handler(call) or {})
        except FallbackSignal:
            if of_moto is None:
                raise
            return of_moto(response)

    action.of_moto = of_moto  # type: ignore[attr-defined]
    return action


def _parse(response: BaseResponse, operation: str) -> dict[str, Any]:
    """The request's parameters under AWS's names, whatever naming moto's own parser of the service uses."""
    request = response.normalized_request
    model = get_service_model(response.boto3_service_name)
    parser = PROTOCOL_PARSERS[determine_request_protocol(model, request.content_type)]
    parsed = parser(model.operation_model(operation), map_type=dict).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": response.uri_match,
        }
    )
    return dict(parsed or {})
