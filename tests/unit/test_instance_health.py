"""When an instance of the sandbox counts as unhealthy: its server says so, which is not that it is loading a model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from sandbox.cloud.ports import Scope
from sandbox.cloud.sagemaker.instance import Instance, Workload


class Container(HTTPServer):
    """Answers its ping with `status`."""

    status = 200

    def __init__(self) -> None:
        class Ping(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(self.server.status)  # type: ignore[attr-defined]
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Ping)


@pytest.fixture
def container() -> Iterator[Container]:
    with Container() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def instance(container: Container) -> Instance:
    workload = Workload(Scope("123456789012", "us-west-2"), "endpoint", "Main", Path("/model"), {}, "arn")
    made = Instance(Mock(), workload)
    made._process = Mock(poll=lambda: None)
    made.port = container.server_address[1]
    return made


def test_a_model_that_is_being_loaded_is_not_unhealthy(container: Container, instance: Instance) -> None:
    container.status = 503
    assert not instance.check()
    assert instance.unhealthy_since is None
    container.status = 200
    assert instance.check()


def test_a_model_that_cannot_be_served_is_unhealthy_from_then_on(container: Container, instance: Instance) -> None:
    container.status = 500
    assert not instance.check()
    since = instance.unhealthy_since
    assert since is not None
    assert not instance.check()
    assert instance.unhealthy_since == since
