"""The model server: what it answers, over Starlette's client and over HTTP to a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from model_package.server import lean
from model_package.server.app import MOST_BODY_BYTES, ModelServer
from model_package.server.script import Script, ScriptError, load

ROOT = Path(__file__).parents[2]

ECHO = """
def model_fn(model_dir):
    return 10
def predict_fn(data, model):
    return data.sum(axis=1) * model
"""


@pytest.fixture(autouse=True)
def unchanged_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A script is importable, and what it leaves out is not, for the life of a server: here, of a test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = {name: sys.modules.get(name) for name in ("inference", *lean.HEAVY)}
    yield
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def package(folder: Path, script: str, requirements: str | None = None) -> Path:
    code = folder / "code"
    code.mkdir(parents=True, exist_ok=True)
    (code / "inference.py").write_text(textwrap.dedent(script))
    if requirements is not None:
        (code / "requirements.txt").write_text(requirements)
    return folder


def loaded(folder: Path, script: str) -> Script:
    return load(package(folder, script), folder / "code", "inference.py")


@dataclass(frozen=True)
class Response:
    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


async def call(app: Starlette, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
    """One request to an ASGI application in this process (Starlette's own test client needs httpx)."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await app({"type": "http", "method": method, "path": path, "query_string": b"", "headers": raw}, receive, send)
    return Response(
        sent[0]["status"],
        {name.decode(): value.decode() for name, value in sent[0]["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


def ask(
    load_script: Callable[[], Script],
    body: bytes = b"1,2",
    *,
    content_type: str | None = "text/csv",
    accept: str | None = "application/json",
    method: str = "POST",
    path: str = "/invocations",
) -> Response:
    """One request to the application, once its model is loaded or has failed to."""
    headers = {"accept": accept or ""} | ({} if content_type is None else {"content_type": content_type})

    async def request() -> Response:
        app = ModelServer(load_script).app()
        async with app.router.lifespan_context(app):
            while (await call(app, "GET", "/ping")).status_code == 503:
                await asyncio.sleep(0.005)
            return await call(app, method, path, body, **headers)

    return asyncio.run(request())


def test_ping_is_empty_and_200_once_the_model_is_loaded(tmp_path: Path) -> None:
    response = ask(lambda: loaded(tmp_path, ECHO), method="GET", path="/ping")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "answer", "answered_type"),
    [
        (b"1,2\n3,4\n", "text/csv", "application/json", b"[30.0, 70.0]", "application/json"),
        (b"1,2", "text/csv; charset=utf-8", "text/csv", b"30.0", "text/csv; charset=utf-8"),
        (b"[[1, 2], [3, 4]]", "application/json", "text/csv", b"30.0\n70.0", "text/csv; charset=utf-8"),
        (b"[1, 2]", "application/json", "*/*", b"[30.0]", "application/json"),
        (b'{"instances": [[1, 2]]}', "application/json", None, b"[30.0]", "application/json"),
        (b"1,2", None, "text/csv;q=0.9, */*;q=0.1", b"30.0", "text/csv; charset=utf-8"),
    ],
)
def test_the_defaults_speak_csv_and_json(
    tmp_path: Path, body: bytes, content_type: str | None, accept: str | None, answer: bytes, answered_type: str
) -> None:
    response = ask(lambda: loaded(tmp_path, ECHO), body, content_type=content_type, accept=accept)
    assert (response.status_code, response.content) == (200, answer)
    assert response.headers["content-type"] == answered_type


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status", "message"),
    [
        (
            b"1,2",
            "image/png",
            "*/*",
            415,
            "Content-Type 'image/png' is not supported: send text/csv or",
        ),
        (
            b"1,2",
            "text/csv",
            "image/png",
            406,
            "Accept 'image/png' is not supported: ask for application/json",
        ),
        (b"1,2\n3", "text/csv", "*/*", 400, "row 2: expected 2 numbers as in row 1, found 1"),
        (b"a,b", "text/csv", "*/*", 400, "not numbers: could not convert string to float: 'a'"),
        (b"", "text/csv", "*/*", 400, "the request holds no rows"),
        (b"{", "application/json", "*/*", 400, "Expecting property name"),
        (b"\xff", "text/csv", "*/*", 400, "the text/csv body is not UTF-8"),
        (b"1" * (MOST_BODY_BYTES + 1), "text/csv", "*/*", 413, "the request is larger than 6291456 bytes"),
    ],
)
def test_a_clients_mistake_is_told(
    tmp_path: Path, body: bytes, content_type: str, accept: str, status: int, message: str
) -> None:
    response = ask(lambda: loaded(tmp_path, ECHO), body, content_type=content_type, accept=accept)
    assert response.status_code == status
    assert message in response.text


def test_missing_values_are_nan(tmp_path: Path) -> None:
    script = """
    import numpy
    def model_fn(model_dir): return None
    def predict_fn(data, model): return numpy.isnan(data).sum(axis=1)
    """
    assert ask(lambda: loaded(tmp_path, script), b"1,,3").text == "[1]"
    assert ask(lambda: loaded(tmp_path, script), b"[1, null]", content_type="application/json").text == "[1]"


@pytest.mark.parametrize(
    ("functions", "status", "message"),
    [
        ("def predict_fn(d, m): raise KeyError('age')", 500, "KeyError: 'age'"),
        ("def predict_fn(d, m): raise ValueError('no such row')", 500, "ValueError: no such row"),
        ("def input_fn(b, c): raise ValueError('30 values, please')", 400, "30 values, please"),
        ("def input_fn(b, c): raise TypeError('a bug')", 500, "TypeError: a bug"),
        (
            "class Teapot(Exception): status_code = 418\ndef predict_fn(d, m): raise Teapot('short and stout')",
            418,
            "short",
        ),
    ],
)
def test_a_scripts_failure_is_an_answer(
    tmp_path: Path, functions: str, status: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = ask(lambda: loaded(tmp_path, f"def model_fn(d): return 1\n{functions}\n"))
    assert response.status_code == status
    assert message in response.text
    assert ("a prediction failed" in caplog.text) == (status == 500)


def test_transform_fn_stands_for_all_three(tmp_path: Path) -> None:
    script = """
    def model_fn(model_dir): return "model"
    def transform_fn(model, body, content_type, accept): return f"{model} {body!r} {content_type}", "text/plain"
    """
    response = ask(lambda: loaded(tmp_path, script), b"\x00\x01", content_type="application/x-npy")
    assert (response.text, response.headers["content-type"]) == (
        "model b'\\x00\\x01' application/x-npy",
        "text/plain; charset=utf-8",
    )


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("def predict_fn(d, m): return d", r"inference\.py defines no model_fn\(model_dir\)"),
        (
            "def model_fn(d): pass\ndef transform_fn(m, b, c, a): pass\ndef output_fn(p, a): pass",
            "defines transform_fn and output_fn: transform_fn stands for all of them",
        ),
    ],
)
def test_a_script_that_cannot_be_served_says_why(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message):
        loaded(tmp_path, script)


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"inference\.py does not exist: SAGEMAKER_SUBMIT_DIRECTORY/"):
        load(tmp_path, tmp_path / "code", "inference.py")


def test_an_import_error_fails_ping_with_its_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    response = ask(lambda: loaded(tmp_path, "import nothing_of_that_name"), method="GET", path="/ping")
    assert response.status_code == 500
    assert "ModuleNotFoundError: No module named 'nothing_of_that_name'" in response.text
    assert "the model cannot be served" in caplog.text
    assert ask(lambda: loaded(tmp_path, "import nothing_of_that_name")).status_code == 500


def test_until_the_model_is_loaded_nothing_is_promised() -> None:
    gate = threading.Event()

    def slow() -> Script:
        gate.wait(10)
        raise ScriptError("never mind")

    async def statuses() -> list[int]:
        app = ModelServer(slow).app()
        async with app.router.lifespan_context(app):
            found = [
                (await call(app, "GET", "/ping")).status_code,
                (await call(app, "POST", "/invocations")).status_code,
            ]
            gate.set()
            return found

    assert asyncio.run(statuses()) == [503, 503]


def test_what_requirements_do_not_name_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    monkeypatch.delitem(sys.modules, "sklearn", raising=False)
    requirements = tmp_path / "requirements.txt"
    assert lean.leave_out(requirements) == []
    requirements.write_text("# serving\nnumpy>=2\nScikit_Learn==1.9 ; python_version > '3'\n")
    assert lean.named(requirements) == {"numpy", "scikit-learn"}
    assert lean.leave_out(requirements) == ["pandas"]
    with pytest.raises(ModuleNotFoundError, match="pandas"):
        __import__("pandas")


def test_an_import_that_requirements_do_not_name_says_what_to_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sklearn", raising=False)
    package(tmp_path, "import sklearn\ndef model_fn(d): pass", requirements="numpy\n")
    with pytest.raises(ScriptError, match=r"imports sklearn, which .* does not name: add scikit-learn"):
        load(tmp_path, tmp_path / "code", "inference.py")


class Server:
    """A server process on a free port of loopback."""

    def __init__(self, model_dir: Path, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        own = {"SM_MODEL_DIR": str(model_dir), "SAGEMAKER_BIND_TO_PORT": str(self.port), **environment}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SM_", "SAGEMAKER_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "model_package.server", "serve"],
            cwd=ROOT,
            env={**inherited, **own},
            stderr=subprocess.PIPE,
            text=True,
        )

    def get(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body)
        if body is not None:
            request.add_header("Content-Type", "text/csv")
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def wait(self) -> None:
        """Until /ping answers for good."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if self.get("/ping")[0] != 503:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"no answer on port {self.port}")

    def stop(self) -> str:
        """SIGTERM; what the server logged, once it has ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=20)[1]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(model_dir: Path, **environment: str) -> Server:
        servers.append(Server(model_dir, **environment))
        servers[-1].wait()
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate(timeout=10)


def test_sigterm_lets_the_request_in_flight_finish(tmp_path: Path, serve: Callable[..., Server]) -> None:
    script = """
    import pathlib, time
    def model_fn(model_dir): return pathlib.Path(model_dir)
    def predict_fn(data, model):
        (model / "begun").touch()
        time.sleep(0.7)
        return data
    """
    server = serve(package(tmp_path, script))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.get, "/invocations", b"1,2")
        deadline = time.monotonic() + 10
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.stop()
        assert answer.result(10) == (200, b"[[1.0, 2.0]]")
    assert server.process.returncode == 0
    with pytest.raises(OSError, match="refused"):
        server.get("/ping")


def test_the_process_fails_ping_and_logs_why(tmp_path: Path, serve: Callable[..., Server]) -> None:
    server = serve(package(tmp_path, "def model_fn(model_dir): raise RuntimeError('model.ubj is empty')"))
    assert server.get("/ping") == (500, b"the model cannot be served: RuntimeError: model.ubj is empty")
    assert "RuntimeError: model.ubj is empty" in server.stop()


def test_the_environment_names_the_script(tmp_path: Path, serve: Callable[..., Server]) -> None:
    package(tmp_path / "elsewhere", ECHO)
    (tmp_path / "elsewhere" / "code" / "inference.py").rename(tmp_path / "elsewhere" / "code" / "serving.py")
    server = serve(
        tmp_path,
        SAGEMAKER_PROGRAM="serving.py",
        SAGEMAKER_SUBMIT_DIRECTORY=str(tmp_path / "elsewhere" / "code"),
        SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv",
    )
    assert server.get("/invocations", b"1,2") == (200, b"30.0")


def test_serving_imports_neither_pandas_nor_scikit_learn(tmp_path: Path, serve: Callable[..., Server]) -> None:
    script = """
    import sys, xgboost
    def model_fn(model_dir): return None
    def transform_fn(model, body, content_type, accept):
        import json
        return json.dumps([name for name in ("pandas", "sklearn") if sys.modules.get(name)])
    """
    server = serve(package(tmp_path, script, requirements="numpy\nxgboost-cpu\n"))
    assert json.loads(server.get("/invocations", b"1")[1]) == []
