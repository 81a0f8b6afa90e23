"""Runs a function's handler in a process of its own: what Lambda's Python runtime does.

Started with `-I -S`, so that only the standard library is there, then the paths given as arguments: the function's
code, its layers, the runtime's boto3. Requests come as JSON lines on standard input, answers go out as JSON lines on
what was standard error; from then on both output streams are the function's log. A line of RECORD_SEPARATOR and the
request's id in the log says that it is complete up to that request's end.
"""

import importlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

RECORD_SEPARATOR = "\x1e"


class Context:
    """The handler's second argument."""

    def __init__(self, request: dict[str, Any]) -> None:
        environment = os.environ
        self.aws_request_id = request["id"]
        self.invoked_function_arn = request["arn"]
        self.function_name = environment["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = environment["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = environment["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = environment["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = request["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.time()) * 1000))


class LogHandler(logging.StreamHandler):  # type: ignore[type-arg] # no generic at run time
    """Lambda's format of log records: level, time, request id, message."""

    request_id = ""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        formatter = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s")
        formatter.datefmt = "%Y-%m-%dT%H:%M:%S"
        formatter.converter = time.gmtime
        self.setFormatter(formatter)
        self._json = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"

    def format(self, record: logging.LogRecord) -> str:
        record.aws_request_id = self.request_id
        if not self._json:
            return super().format(record)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        content: dict[str, Any] = {
            "timestamp": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": self.request_id,
        }
        if record.exc_info:
            content["stackTrace"] = traceback.format_exception(*record.exc_info)
        return json.dumps(content, default=str)


def failure(error_type: str, message: str, request_id: str = "", stack: Iterable[str] = ()) -> dict[str, Any]:
    """An error as the caller of Invoke gets it."""
    return {
        "error": "Unhandled",
        "payload": json.dumps(
            {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": list(stack)}
        ),
    }


def load(name: str) -> tuple[Callable[..., Any] | None, dict[str, Any] | None]:
    """The handler, or the failure to answer every request with."""
    module_name, _, attribute = name.rpartition(".")
    if not module_name:
        return None, failure("Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        traceback.print_exc()
        message = f"Unable to import module '{module_name}': {error}"
        return None, failure("Runtime.ImportModuleError", message)
    except SyntaxError as error:
        traceback.print_exc()
        message = f"Syntax error in module '{module_name}': {error}"
        return None, failure("Runtime.UserCodeSyntaxError", message)
    except Exception as error:
        traceback.print_exc()
        return None, failure(type(error).__name__, str(error), stack=traceback.format_exc().splitlines())
    if not hasattr(module, attribute):
        message = f"Handler '{attribute}' missing on module '{module_name}'"
        return None, failure("Runtime.HandlerNotFound", message)
    return getattr(module, attribute), None


def call(handler: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
    try:
        result = handler(json.loads(request["payload"]), Context(request))
    except Exception as error:
        traceback.print_exc()
        frames = traceback.format_tb(error.__traceback__)[1:]
        return failure(type(error).__name__, str(error), request["id"], frames)
    try:
        return {"error": None, "payload": json.dumps(result)}
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        return failure("Runtime.MarshalError", message, request["id"])


def main() -> None:
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(2), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(1, 2)
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115 - lives as long as we
    sys.stderr = sys.stdout
    sys.path[:0] = sys.argv[1:]
    log = LogHandler()
    logging.getLogger().addHandler(log)
    started = time.perf_counter()
    handler, broken = load(os.environ["_HANDLER"])
    initialised: float | None = (time.perf_counter() - started) * 1000
    for line in requests:
        request = json.loads(line)
        log.request_id = request["id"]
        answer = call(handler, request) if handler else dict(broken or {})
        answer["id"], answer["init_ms"] = request["id"], initialised
        initialised = None
        sys.stdout.write(RECORD_SEPARATOR + request["id"] + "\n")
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
