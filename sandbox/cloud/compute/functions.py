"""Lambda: functions of moto's registry, executed in processes of their own."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import time
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction, lambda_backends

from sandbox.cloud import identity
from sandbox.cloud.compute import invocation_log, runtime
from sandbox.cloud.compute.pool import WORKERS, Pool, PoolClosedError
from sandbox.cloud.compute.worker import Answer, Worker, WorkerDiedError, WorkerTimeoutError
from sandbox.cloud.eventing.functions import FunctionMissingError, InvocationResult, StoppingError, ThrottledError
from sandbox.cloud.ports import Cloud, Scope

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FunctionVersion:
    """What of a function decides how it runs; equal values share warm workers."""

    arn: str
    name: str
    version: str
    handler: str
    role: str
    timeout_seconds: float
    memory: int
    environment: tuple[tuple[str, str], ...]
    code_sha: str
    layers: tuple[str, ...]
    scope: Scope
    log_group: str
    log_format: str
    code: bytes = field(repr=False, compare=False, default=b"")
    layer_code: tuple[bytes, ...] = field(repr=False, compare=False, default=())
    reserved: int | None = field(compare=False, default=None)


@dataclass
class _Running:
    """A version's pool and how many invocations it has."""

    version: FunctionVersion
    pool: Pool
    in_flight: int = 0


class FunctionService:
    """The `Functions` port: synchronous invocation; `asynchronous.AsyncInvocations` adds the other kind."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._directory = cloud.directory / "functions"
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._extract_lock = threading.Lock()
        self._stopped = False

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            running, self._running = list(self._running.values()), {}
        for entry in running:
            entry.pool.close(running=True)

    def version(self, arn: str) -> FunctionVersion:
        """The function an ARN (with or without a qualifier) names, as it is now.

        Raises:
            FunctionMissingError
        """
        parts = arn.split(":")
        scope = Scope(parts[4], parts[3])
        qualifier = parts[7] if len(parts) > 7 else None
        with self._cloud.lock("lambda"):
            backend = lambda_backends[scope.account][scope.region]
            try:
                function: LambdaFunction = backend.get_function(parts[6], qualifier)
            except UnknownFunctionException as error:
                raise FunctionMissingError(f"Function not found: {arn}") from error
            found = [backend.layers_versions_by_arn(layer["Arn"]) for layer in function.layers]
            layers = [layer for layer in found if layer is not None]
            return FunctionVersion(
                arn=arn,
                name=function.function_name,
                version=str(function.version),
                handler=function.handler or "",
                role=function.role,
                timeout_seconds=float(function.timeout),
                memory=int(function.memory_size),
                environment=tuple(sorted((function.environment_vars or {}).items())),
                code_sha=function.code_sha_256,
                layers=tuple(layer.arn for layer in layers),
                scope=scope,
                log_group=logging_of(function)["LogGroup"],
                log_format=logging_of(function)["LogFormat"],
                code=function.code_bytes,
                layer_code=tuple(layer.code_bytes for layer in layers),
                reserved=None if function.reserved_concurrency is None else int(function.reserved_concurrency),
            )

    def timeout_seconds(self, arn: str) -> float:
        return self.version(arn).timeout_seconds

    def policy(self, arn: str) -> str:
        parts = arn.split(":")
        with self._cloud.lock("lambda"):
            try:
                function = lambda_backends[parts[4]][parts[3]].get_function(parts[6], None)
            except UnknownFunctionException as error:
                raise FunctionMissingError(f"Function not found: {arn}") from error
            # A statement names the unqualified ARN; a qualified request is covered by it.
            statements = [{**statement, "Resource": "*"} for statement in function.policy.statements]
            return json.dumps({"Statement": statements})

    def forget(self, name: str, scope: Scope) -> None:
        """Ends the warm workers of a function that is gone."""
        with self._lock:
            gone = [key for key, entry in self._running.items()
                    if entry.version.name == name and entry.version.scope == scope]  # fmt: skip
            entries = [self._running.pop(key) for key in gone]
        for entry in entries:
            entry.pool.close()

    def invoke(self, arn: str, payload: bytes, request_id: str | None = None) -> InvocationResult:
        """Raises FunctionMissingError, ThrottledError, StoppingError."""
        request_id = request_id or str(uuid.uuid4())
        while True:
            entry = self._enter(self.version(arn))
            try:
                return self._invoke(entry, request_id, payload)
            except PoolClosedError:
                # The function changed between looking it up and having a worker: run what it is now.
                continue
            finally:
                with self._lock:
                    entry.in_flight -= 1

    def _enter(self, version: FunctionVersion) -> _Running:
        with self._lock:
            if self._stopped:
                raise StoppingError(version.arn)
            entry = self._running.get(version.arn)
            replaced = None
            if entry is None or entry.version != version:
                replaced = entry
                most = WORKERS if version.reserved is None else min(WORKERS, max(1, version.reserved))
                entry = self._running[version.arn] = _Running(version, Pool(lambda: self._start(version), most))
            if version.reserved is not None and entry.in_flight >= version.reserved:
                self._metric(version, "Throttles", 1.0, "Count")
                raise ThrottledError(f"Rate Exceeded. Reserved concurrency of {version.name} is {version.reserved}")
            entry.in_flight += 1
        if replaced is not None:
            replaced.pool.close()
        return entry

    def _invoke(self, entry: _Running, request_id: str, payload: bytes) -> InvocationResult:
        version = entry.version
        worker = entry.pool.acquire()
        stream = worker.log_stream
        self._write(version, stream, [invocation_log.started(version.log_format, request_id, version.version)])
        deadline = time.time() + version.timeout_seconds
        request = {"id": request_id, "arn": version.arn, "deadline": deadline, "payload": payload.decode() or "null"}
        begun = time.perf_counter()
        note: list[str] = []
        try:
            answer = worker.invoke(request, version.timeout_seconds)
        except WorkerTimeoutError:
            message = f"{invocation_log.now()} {request_id} Task timed out after {version.timeout_seconds:.2f} seconds"
            answer = _failure("Sandbox.Timedout", message)
            note = [message]
        except WorkerDiedError as error:
            if self._stopped:
                raise StoppingError(version.arn) from error
            message = f"RequestId: {request_id} Error: Runtime exited with error: {error}"
            answer = _failure("Runtime.ExitError", message)
            note = [message]
        finally:
            entry.pool.release(worker)
        milliseconds = (time.perf_counter() - begun) * 1000
        ending = invocation_log.finished(
            version.log_format,
            request_id,
            milliseconds,
            version.memory,
            answer.init_milliseconds,
            answer.error is not None,
        )
        self._write(version, stream, [*note, *ending])
        self._metric(version, "Invocations", 1.0, "Count")
        self._metric(version, "Errors", 1.0 if answer.error else 0.0, "Count")
        self._metric(version, "Duration", milliseconds, "Milliseconds")
        return InvocationResult(answer.payload.encode(), answer.error)

    def _start(self, version: FunctionVersion) -> Worker:
        code = self._extract(version.code, version.code_sha)
        layers = [self._extract(content, hashlib.sha256(content).hexdigest()) for content in version.layer_code]
        sdk = runtime.link_sdk(self._directory / "runtime")
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{version.version}]{uuid.uuid4().hex}"
        home = self._directory / "tmp" / uuid.uuid4().hex
        home.mkdir(parents=True)
        paths = [code, *(layer / "python" for layer in layers), sdk]
        environment = self._environment(version, code, stream, home)
        return Worker(
            self._cloud.children,
            runtime.command(*paths),
            environment,
            code,
            lambda lines: self._write(version, stream, lines),
        )

    def _environment(self, version: FunctionVersion, code: Path, stream: str, home: Path) -> dict[str, str]:
        region = version.scope.region
        return {
            **dict(version.environment),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": str(home),
            "TMPDIR": str(home),
            "LAMBDA_TASK_ROOT": str(code),
            "LAMBDA_RUNTIME_DIR": str(self._directory / "runtime"),
            "_HANDLER": version.handler,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3",
            "AWS_LAMBDA_FUNCTION_NAME": version.name,
            "AWS_LAMBDA_FUNCTION_VERSION": version.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "AWS_LAMBDA_LOG_FORMAT": version.log_format,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            **self._cloud.child_environment,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **identity.role_environment(version.role, version.name, region),
        }

    def _extract(self, archive: bytes, digest: str) -> Path:
        """The archive's files in a folder of their own; made once a digest."""
        folder = self._directory / "code" / hashlib.sha256(digest.encode()).hexdigest()[:32]
        with self._extract_lock:
            if not folder.exists():
                building = folder.with_name(folder.name + ".building")
                building.mkdir(parents=True, exist_ok=True)
                with zipfile.ZipFile(io.BytesIO(archive)) as content:
                    content.extractall(building)
                building.rename(folder)
        return folder

    def _write(self, version: FunctionVersion, stream: str, lines: Sequence[str]) -> None:
        self._cloud.logs.append(version.scope, version.log_group, stream, lines)

    def _metric(self, version: FunctionVersion, name: str, value: float, unit: str) -> None:
        self._cloud.metrics.put(version.scope, "AWS/Lambda", name, {"FunctionName": version.name}, value, unit=unit)


def logging_of(function: LambdaFunction) -> dict[str, str]:
    """LoggingConfig with its defaults; `lambda_api` keeps what the function was made with."""
    given = getattr(function, "logging_config", None) or {}
    return {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.function_name}", **given}


def _failure(kind: str, message: str) -> Answer:
    return Answer("Unhandled", json.dumps({"errorType": kind, "errorMessage": message}), None)
