"""The ASGI application: `/ping` and `/invocations` around one loaded script."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from model_package.server.script import RequestError, Script

MOST_BODY_BYTES = 6_291_456
"""InvokeEndpoint's own limit."""

log = logging.getLogger("model_package.server")


class ModelServer:
    """Loads the script in the background and answers with it.

    All of the script's code runs in one thread: models need not be thread-safe, and one prediction a core is what the
    fleet is sized for.
    """

    def __init__(self, load: Callable[[], Script]) -> None:
        self._load = load
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._loading: Future[Script] | None = None

    def app(self) -> Starlette:
        """The application; loading begins when it starts."""
        routes = [
            Route("/ping", self._ping, methods=["GET"]),
            Route("/invocations", self._invocations, methods=["POST"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._loading = self._thread.submit(self._load_and_log)
        yield
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _load_and_log(self) -> Script:
        start = time.perf_counter()
        try:
            script = self._load()
        except BaseException as error:
            log.exception("the model cannot be served: %s", error)
            raise
        log.info("model loaded in %.2f s", time.perf_counter() - start)
        return script

    def _not_ready(self) -> Response | None:
        """The answer until the model is loaded, or if it never will be."""
        if self._loading is None or not self._loading.done():
            return PlainTextResponse("the model is being loaded", 503)
        if error := self._loading.exception():
            return PlainTextResponse(f"the model cannot be served: {type(error).__name__}: {error}", 500)
        return None

    async def _ping(self, _request: Request) -> Response:
        return self._not_ready() or Response(status_code=200)

    async def _invocations(self, request: Request) -> Response:
        if response := self._not_ready():
            return response
        assert self._loading is not None  # noqa: S101  (_not_ready has just looked)
        script = self._loading.result()
        try:
            body = await _bounded_body(request)
            content_type = _media_type(request.headers.get("content-type", "")) or "text/csv"
            accept = _accept(request.headers.get("accept", ""))
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._thread, script.answer, body, content_type, accept)
        except RequestError as error:
            return PlainTextResponse(str(error), error.status_code)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:
            log.exception("a prediction failed")
            return PlainTextResponse(f"{type(error).__name__}: {error}", 500)
        return Response(answer.body, media_type=answer.content_type)


async def _bounded_body(request: Request) -> bytes:
    """The request's body; refuses more than InvokeEndpoint would let through."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise RequestError(413, f"the request is larger than {MOST_BODY_BYTES} bytes, the most SageMaker takes")
    return bytes(body)


def _media_type(header: str) -> str:
    """`text/csv` of `text/csv; charset=utf-8`."""
    return header.partition(";")[0].strip().lower()


def _accept(header: str) -> str:
    """The first type that is asked for; without one, what SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT says, else JSON."""
    types = [_media_type(part) for part in header.split(",")]
    concrete = [name for name in types if name and "*" not in name]
    if concrete:
        return concrete[0]
    return os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
