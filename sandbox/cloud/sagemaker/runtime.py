"""InvokeEndpoint, on the event loop: choose a variant, pass the request on, answer in AWS's words.

No thread and no moto is involved, so the sandbox adds about a millisecond. What is recorded about a request (metrics,
capture) is queued; what is copied to a shadow variant runs on its own and its answer is dropped.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from dataclasses import dataclass
from urllib.parse import unquote

import aiohttp
from moto.iam.models import get_account_id_from

from sandbox.cloud.ports import ASGIScope, Receive, Scope, Send
from sandbox.cloud.sagemaker import wording
from sandbox.cloud.sagemaker.capture import Capture, Destination, Exchange, sampled
from sandbox.cloud.sagemaker.endpoint import Endpoint
from sandbox.cloud.sagemaker.fleet import Fleet, Variant
from sandbox.cloud.sagemaker.invocation_metrics import Invocation, InvocationMetrics
from sandbox.cloud.sagemaker.store import Store, now
from sandbox.cloud.wsgi import read_body

MAXIMUM_BODY_BYTES = 6_291_456
TIMEOUT_SECONDS = 60.0
# Shorter than the servers' own, so that no request meets a connection that is being closed.
KEEP_ALIVE_SECONDS = 2.0
# How long requests under way may take when the sandbox stops; then they are cut off.
DRAIN_SECONDS = 5.0
MAXIMUM_SHADOWS_IN_FLIGHT = 256
_CREDENTIAL = re.compile(r"Credential=([A-Z0-9]+)/\d{8}/([a-z0-9-]+)/sagemaker/aws4_request")
_FORWARDED = (b"content-type", b"accept")
_FORWARDED_PREFIX = b"x-amzn-sagemaker-"


class RefusalError(Exception):
    """An answer that is no prediction."""

    def __init__(self, status: int, code: str, message: str, **members: object) -> None:
        super().__init__(message)
        self.status, self.code, self.members = status, code, {"Message": message, **members}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent."""

    body: bytes
    headers: dict[str, str]
    content_type: str
    inference_id: str | None
    target_variant: str | None
    began: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container said; status 0 if it said nothing."""

    status: int
    body: bytes
    content_type: str
    custom_attributes: str | None
    seconds: float


class Runtime:
    """The data plane of all endpoints."""

    def __init__(self, store: Store, metrics: InvocationMetrics, capture: Capture) -> None:
        self._store = store
        self._metrics = metrics
        self._capture = capture
        self._session: aiohttp.ClientSession | None = None
        self._accounts: dict[str, str] = {}
        self._shadows: set[asyncio.Task[None]] = set()
        self._answering = 0
        self._stopped = False

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        body = await read_body(receive)
        if body is None:
            return
        self._answering += 1
        try:
            await self._answer(scope, send, body, began)
        finally:
            self._answering -= 1

    async def _answer(self, scope: ASGIScope, send: Send, body: bytes, began: float) -> None:
        request_id = str(uuid.uuid4())
        headers: list[tuple[bytes, bytes]] = [(b"x-amzn-requestid", request_id.encode())]
        try:
            endpoint, request = self._accept(scope, body, began)
            variant, answer = await self._invoke(endpoint, request, request_id)
            status, payload = 200, answer.body
            headers += [(b"content-type", answer.content_type.encode("latin-1"))]
            headers += [(b"x-amzn-invoked-production-variant", variant.encode())]
            if answer.custom_attributes is not None:
                headers += [(b"x-amzn-sagemaker-custom-attributes", answer.custom_attributes.encode("latin-1"))]
        except RefusalError as refusal:
            status, payload = refusal.status, json.dumps(refusal.members).encode()
            headers += [(b"content-type", b"application/json"), (b"x-amzn-errortype", refusal.code.encode())]
        headers += [(b"content-length", str(len(payload)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": payload})

    async def close(self) -> None:
        """Refuse what still comes, let what is under way be answered; copies to shadow variants are given up."""
        self._stopped = True
        for shadow in self._shadows:
            shadow.cancel()
        if self._shadows:
            await asyncio.wait(self._shadows)
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._answering and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if self._session is not None:
            await self._session.close()

    def _accept(self, scope: ASGIScope, body: bytes, began: float) -> tuple[Endpoint, Request]:
        """The endpoint that a request is for, or AWS's refusal."""
        if self._stopped:
            raise RefusalError(503, "ServiceUnavailable", "The sandbox is stopping.")
        headers = {name: value for name, value in scope["headers"]}
        credential = _CREDENTIAL.search(headers.get(b"authorization", b"").decode("latin-1"))
        if credential is None:
            raise RefusalError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        where = Scope(self._account(credential[1]), credential[2])
        name = unquote(scope["path"].split("/")[2])
        endpoint = self._store.shelf(where).endpoints.get(name)
        if endpoint is None or not endpoint.serving:
            raise RefusalError(400, "ValidationError", f"Endpoint {name} of account {where.account} not found.")
        if len(body) > MAXIMUM_BODY_BYTES:
            problem = "Member must have length less than or equal to 6291456"
            text = f"1 validation error detected: Value at 'body' failed to satisfy constraint: {problem}"
            raise RefusalError(400, "ValidationError", text)
        forwarded = {
            key.decode("latin-1"): value.decode("latin-1")
            for key, value in headers.items()
            if key in _FORWARDED or key.startswith(_FORWARDED_PREFIX)
        }
        request = Request(
            body,
            forwarded,
            forwarded.get("content-type", "application/octet-stream"),
            forwarded.get("x-amzn-sagemaker-inference-id"),
            forwarded.get("x-amzn-sagemaker-target-variant"),
            began,
        )
        return endpoint, request

    async def _invoke(self, endpoint: Endpoint, request: Request, event_id: str) -> tuple[str, Answer]:
        fleet = endpoint.choose()
        variant = fleet.pick_variant(request.target_variant)
        if variant is None:
            text = wording.TARGET_VARIANT.format(variant=request.target_variant, endpoint=endpoint.name)
            raise RefusalError(400, "ValidationError", text)
        shadow = fleet.shadowed()
        if shadow is not None and len(self._shadows) < MAXIMUM_SHADOWS_IN_FLIGHT:
            task = asyncio.create_task(self._copy(endpoint, fleet, shadow, request, event_id))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        answer = await self._ask(endpoint, fleet, variant, request, event_id)
        if not 200 <= answer.status < 300:
            raise _model_error(endpoint, variant, answer)
        return variant.name, answer

    async def _copy(self, endpoint: Endpoint, fleet: Fleet, shadow: Variant, request: Request, event_id: str) -> None:
        await self._ask(endpoint, fleet, shadow, request, event_id)

    async def _ask(self, endpoint: Endpoint, fleet: Fleet, variant: Variant, request: Request, event_id: str) -> Answer:
        """Ask an instance of the variant and record the exchange."""
        # From the pick to the count nothing may await: a drain counts on it.
        instance = variant.pick()
        if instance is None:
            answer = Answer(0, b"", "", None, 0.0)
        else:
            instance.in_flight += 1
            try:
                answer = await self._post(f"http://127.0.0.1:{instance.port}/invocations", request)
            finally:
                instance.in_flight -= 1
        self._record(endpoint, fleet, variant, request, answer, event_id)
        return answer

    async def _post(self, url: str, request: Request) -> Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
                auto_decompress=False,
            )
        began = time.perf_counter()
        try:
            async with self._session.post(url, data=request.body, headers=request.headers) as response:
                body = await response.read()
                return Answer(
                    response.status,
                    body,
                    response.headers.get("Content-Type", "application/octet-stream"),
                    response.headers.get("X-Amzn-SageMaker-Custom-Attributes"),
                    time.perf_counter() - began,
                )
        except (aiohttp.ClientError, OSError, TimeoutError):
            # The container is gone, too slow, or the connection was closed because the sandbox stops.
            return Answer(0, b"", "", None, time.perf_counter() - began)

    def _record(
        self, endpoint: Endpoint, fleet: Fleet, variant: Variant, request: Request, answer: Answer, event_id: str
    ) -> None:
        moment = now()
        overhead = time.perf_counter() - request.began - answer.seconds
        self._metrics.record(
            Invocation(
                endpoint.scope,
                endpoint.name,
                variant.name,
                fleet.config_name,
                answer.status,
                answer.seconds * 1e6,
                max(0.0, overhead) * 1e6,
                moment,
            )
        )
        config = fleet.capture
        if config is None or not 200 <= answer.status < 300 or not sampled(config):
            return
        destination = Destination(
            endpoint.scope,
            fleet.role_arn,
            config["DestinationS3Uri"],
            endpoint.name,
            variant.name,
            config.get("KmsKeyId"),
        )
        exchange = Exchange(
            event_id,
            request.inference_id,
            moment,
            request.content_type,
            request.body,
            answer.content_type,
            answer.body,
        )
        self._capture.record(config, destination, exchange)

    def _account(self, access_key: str) -> str:
        account = self._accounts.get(access_key)
        if account is None:
            account = self._accounts[access_key] = str(get_account_id_from(access_key))
        return account


def _model_error(endpoint: Endpoint, variant: Variant, answer: Answer) -> RefusalError:
    """ModelError as AWS words it for an error answer, a timeout and a container that is gone."""
    region, account = endpoint.scope.region, endpoint.scope.account
    group = f"/aws/sagemaker/Endpoints/{endpoint.name}"
    original = answer.body.decode(errors="replace")
    if answer.status == 0 and answer.seconds >= TIMEOUT_SECONDS * 0.99:
        original = (
            "Your invocation timed out while waiting for a response from container primary. Review the latency "
            "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
        )
        said = f'Received server error (0) from primary with message "{original}".'
    elif answer.status == 0:
        original = f"Amazon SageMaker could not get a response from the {endpoint.name} endpoint."
        said = f'Received server error (0) from model with message "{original}".'
    else:
        side = "client" if 400 <= answer.status < 500 else "server"
        said = f'Received {side} error ({answer.status}) from primary with message "{original}".'
    message = (
        f"{said} See https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#logEventViewer:group={group} in account {account} for more information."
    )
    return RefusalError(
        424,
        "ModelError",
        message,
        OriginalStatusCode=answer.status,
        OriginalMessage=original,
        LogStreamArn=f"arn:aws:logs:{region}:{account}:log-group:{group}",
    )
