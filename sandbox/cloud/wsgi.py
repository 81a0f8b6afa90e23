"""moto behind a lock per service, called from the event loop.

moto's application is WSGI and its backends are not thread-safe: two requests to one service must not run at the same
time, or increments are lost and messages delivered twice.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY, environ_key_for_header
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.cloud.ports import ASGIScope, Cloud, Receive, Send

# Actions that wait or call back into the cloud; an empty set means all of the service's.
UNLOCKED: dict[str, frozenset[str]] = {
    "sqs": frozenset({"ReceiveMessage"}),
    "lambda": frozenset({"Invoke"}),
    "stepfunctions": frozenset(),
}
THREADS = 48
XML = frozenset({"iam", "s3", "sns", "sts"})
"""Services whose clients read errors as XML; the others' read JSON."""


@dataclass
class _Answer:
    status: int = 500
    headers: list[tuple[bytes, bytes]] | None = None
    body: bytes = b""


class _Dispatcher(DomainDispatcherApplication):
    """Finds the service of a host once: moto lists a folder and tries 200 patterns, at every request."""

    def __init__(self, create: Callable[[Any], Any]) -> None:
        super().__init__(create)
        self._known: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._known:
            self._known[host] = super().get_backend_for_host(host)
        return self._known[host]


class MotoApplication:
    """moto's services as an ASGI application."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._dispatcher = _Dispatcher(create_backend_app)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="moto")

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is None:
            return
        environ = _environ(scope, body)
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._call, environ)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers or []})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _call(self, environ: dict[str, Any]) -> _Answer:
        answer = _Answer()

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
            answer.status = int(status.split(" ", 1)[0])
            answer.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            return lambda data: None

        application = self._dispatcher.get_application(environ)
        service = getattr(application, "service", "moto_api")
        with self._lock(service, environ):
            try:
                answer.body = b"".join(application(environ, start_response))
            except NotImplementedError as error:
                return _refusal(service, 501, "NotImplemented", f"The sandbox does not have this: {error}")
            except Exception as error:
                # A bug of the sandbox or moto: shown where it runs, and to the caller as AWS shows its own.
                traceback.print_exc()
                return _refusal(service, 500, "InternalFailure", f"{type(error).__name__}: {error}")
        return answer

    def _lock(self, service: str, environ: dict[str, Any]) -> AbstractContextManager[Any]:
        actions = UNLOCKED.get(service)
        if actions is not None and (not actions or _action(service, environ) in actions):
            return nullcontext()
        return self._cloud.lock(service)


def _refusal(service: str, status: int, code: str, message: str) -> _Answer:
    if service in XML:
        error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        body = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
        return _Answer(status, [(b"content-type", b"text/xml")], body.encode())
    body = json.dumps({"__type": code, "message": message})
    headers = [(b"content-type", b"application/x-amz-json-1.1"), (b"x-amzn-errortype", code.encode())]
    return _Answer(status, headers, body.encode())


async def read_body(receive: Receive) -> bytes | None:
    """The whole body of a request; None if the client went away before it was complete."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _environ(scope: ASGIScope, body: bytes) -> dict[str, Any]:
    """WSGI's view of an ASGI request, with what moto reads beyond the standard (raw path, metadata's spelling)."""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"].decode("latin-1")
    host, port = scope["server"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "RAW_URI": raw_path.decode("latin-1") + (f"?{query}" if query else ""),
        "QUERY_STRING": query,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope.get("client") else "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    environ["REQUEST_URI"] = environ["RAW_URI"]
    spelling: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        key = environ_key_for_header(name)
        if "_" in name:
            if not name.lower().startswith("x-amz-meta-"):
                continue
            spelling[key] = name
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = spelling
    return environ


def _action(service: str, environ: dict[str, Any]) -> str:
    """The action of a request, as far as `UNLOCKED` needs to know it."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return str(target).rsplit(".", 1)[-1]
    if service == "lambda":
        return "Invoke" if environ["PATH_INFO"].endswith("/invocations") else ""
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        stream = environ["wsgi.input"]
        form = parse_qs(stream.read().decode())
        stream.seek(0)
        return str(form.get("Action", [""])[0])
    return ""
