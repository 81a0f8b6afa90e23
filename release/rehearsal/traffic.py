"""Production's clients: plain boto3 `invoke_endpoint` on held-out rows until the end, every answer checked."""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TIMEOUT_SECONDS = 20
TOLERANCE = 1e-5
RUSH = 4
"""How many times as many requests come while somebody waits for them."""
CRASH = "crash"
"""The answer of a version that fails on a row."""

Answer = Mapping[str, float] | str


@dataclass(frozen=True)
class Row:
    """A held-out row: its features as the body of a text/csv request, and the truth."""

    body: str
    label: float


@dataclass
class Tally:
    """What the clients saw. `canary_failures`: 424s on rows that a version under guard is known to crash on."""

    requests: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    canary_failures: int = 0
    latencies_ms: list[float] = field(default_factory=list)


class Traffic:
    """Clients of one endpoint at `rate` requests a second, with ground truth following `label_delay` seconds later.

    An answer is right if a version that was live when the request was sent, or when it was answered, gives it. Which
    versions are live is told by `live`; what they answer to each row is known from their model and code alone.
    """

    def __init__(
        self,
        session: boto3.Session,
        endpoint: str,
        rows: Sequence[Row],
        *,
        rate: float,
        put_labels: Callable[[str], None],
        clients: int = 3,
        label_delay: float = 2.0,
    ) -> None:
        self.endpoint = endpoint
        self.tally = Tally()
        self._rows = rows
        self._calm = self._interval = clients / rate
        self._clients = clients
        self._put_labels = put_labels
        self._label_delay = label_delay
        self._live: dict[str, Sequence[Answer]] = {}
        self._lock = threading.Lock()
        self._pending: list[tuple[float, str, float]] = []
        self._sequence = itertools.count()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=TIMEOUT_SECONDS,
            max_pool_connections=clients,
        )
        self._runtime = session.client("sagemaker-runtime", config=config)

    def live(self, versions: Mapping[str, Sequence[Answer]]) -> None:
        """From now on these versions, by name, may answer; their answers stand in the order of the rows."""
        with self._lock:
            self._live = dict(versions)

    def start(self) -> None:
        for number in range(self._clients):
            self._threads.append(threading.Thread(target=self._send, args=(number,), name=f"client-{number}"))
        self._threads.append(threading.Thread(target=self._label, name="labels"))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is in flight and deliver the last labels."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def wait_for(self, version: str, requests: int, timeout_seconds: float) -> int:
        """Wait until that version has answered so many requests, in a rush hour; returns how many it has."""
        deadline = time.monotonic() + timeout_seconds
        self._interval = self._calm / RUSH
        while self.tally.answered[version] < requests and time.monotonic() < deadline:
            time.sleep(0.1)
        self._interval = self._calm
        return self.tally.answered[version]

    def _send(self, number: int) -> None:
        due = time.monotonic() + self._interval * number / self._clients
        while not self._stopping.is_set():
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                return
            self._request(next(self._sequence) % len(self._rows))
            # Behind schedule, the pace is kept and the backlog dropped: a client does not fire a burst.
            due = max(due + self._interval, time.monotonic() - self._interval)

    def _request(self, index: int) -> None:
        inference_id = uuid.uuid4().hex
        with self._lock:
            before = dict(self._live)
        started = time.monotonic()
        try:
            response = self._runtime.invoke_endpoint(
                EndpointName=self.endpoint,
                ContentType="text/csv",
                Accept="application/json",
                InferenceId=inference_id,
                Body=self._rows[index].body.encode(),
            )
            answer: Any = json.loads(response["Body"].read())
        except ClientError as error:
            code = error.response["Error"]["Code"]
            answer = CRASH if code == "ModelError" else f"{code}: {error.response['Error']['Message']}"
            detail = f"{code}: {error.response['Error']['Message']}"
        except (BotoCoreError, ValueError) as error:
            answer = detail = f"{type(error).__name__}: {error}"
        else:
            detail = json.dumps(answer)
        milliseconds = (time.monotonic() - started) * 1000
        with self._lock:
            self._count(index, answer, detail, {**before, **self._live}, milliseconds)
            if answer != CRASH:
                self._pending.append((time.monotonic() + self._label_delay, inference_id, self._rows[index].label))

    def _count(
        self, index: int, answer: Any, detail: str, live: Mapping[str, Sequence[Answer]], milliseconds: float
    ) -> None:
        self.tally.requests += 1
        giver = next((name for name, answers in live.items() if same_answer(answer, answers[index])), None)
        if giver is None:
            when = datetime.now(UTC).strftime("%H:%M:%S")
            self.tally.failures.append(f"{when} row {index}, live {sorted(live)}: {detail}"[:400])
        elif answer == CRASH:
            self.tally.canary_failures += 1
        else:
            self.tally.answered[giver] += 1
            self.tally.latencies_ms.append(milliseconds)

    def _label(self) -> None:
        while True:
            last = self._stopping.wait(1.0)
            now = time.monotonic()
            with self._lock:
                due = [item for item in self._pending if last or item[0] <= now]
                self._pending = [item for item in self._pending if not (last or item[0] <= now)]
            if due:
                self._put_labels("".join(label_line(inference_id, label) for _, inference_id, label in due))
            if last:
                return


def same_answer(given: Any, expected: Answer) -> bool:
    """Whether two answers agree, numbers within float noise."""
    if isinstance(expected, str) or not isinstance(given, Mapping):
        return bool(given == expected)
    return given.keys() == expected.keys() and all(abs(given[key] - expected[key]) <= TOLERANCE for key in expected)


def label_line(inference_id: str, label: float) -> str:
    """One line of ground truth as SageMaker merges it."""
    line = {
        "groundTruthData": {"data": f"{label:g}", "encoding": "CSV"},
        "eventMetadata": {"eventId": inference_id},
        "eventVersion": "0",
    }
    return json.dumps(line) + "\n"


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile; 0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(percent / 100 * len(ordered)) - 1))]
