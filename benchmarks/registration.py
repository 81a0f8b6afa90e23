"""What registering costs an `up` of shadow: the calls that the dynamic providers make, counted in their own processes.

A version that is there already should cost little, as 50 use cases share one registry and its request limits.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from release.rehearsal.service import Service, stack_file
from release.rehearsal.stage import Stage

ROOT = Path(__file__).parents[1]
USE_CASE = "tumor_triage"
STACK = ("--stack", "shadow")
# Every Python that is started with this folder on its path tells of each call to AWS.
TELLING = """\
from botocore.client import BaseClient

make = BaseClient._make_api_call


def told(client, operation, parameters):
    with open({file!r}, "a") as file:
        file.write(f"{{client.meta.service_model.service_name}}:{{operation}}\\n")
    return make(client, operation, parameters)


BaseClient._make_api_call = told
"""


def measure(console: Console) -> list[dict[str, Any]]:
    """Rows by `up`: how many calls, and which. The aws provider's own (Pulumi's plugin on AWS) are not among them."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(ROOT, Path(folder) / "stage", speed=100, engine="embedded")
        stage.prepare()
        with stage.sandbox(), _calls(Path(folder)) as calls:
            _train(stage)
            code = stage.work / "use_cases" / USE_CASE / "inference.py"
            rows = []
            for what in ("first version", "unchanged", "another version", "refreshed, unchanged"):
                console.print(f"up: {what}")
                if what == "another version":
                    code.write_text(code.read_text() + "\n# Another file is another version.\n")
                calls.unlink(missing_ok=True)
                refresh = ("--refresh",) if what.startswith("refreshed") else ()
                stage.pulumi("up", "--yes", "--skip-preview", *refresh, *STACK, role="scientist")
                made = Counter(calls.read_text().split() if calls.exists() else ())
                shown = ", ".join(f"{name} {number}" for name, number in sorted(made.items()))
                rows.append({"up": what, "calls": made.total(), "which": shown})
    return rows


@contextmanager
def _calls(folder: Path) -> Iterator[Path]:
    """The file in which each call to AWS is a line, of what is started meanwhile."""
    calls, before = folder / "calls", os.environ.get("PYTHONPATH")
    (folder / "telling").mkdir()
    (folder / "telling" / "sitecustomize.py").write_text(TELLING.format(file=str(calls)))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder / "telling"), before)))
    try:
        yield calls
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _train(stage: Stage) -> None:
    """The registry, and a trained model of one use case."""

    def one_service(config: dict[str, Any]) -> None:
        config["understudy:services"] = {USE_CASE.replace("_", "-"): {"initialInstanceCount": 1}}

    stack_file(stage, "shadow", one_service)
    stage.pulumi("stack", "init", "shadow", role="ci")
    stage.pulumi("up", "--yes", "--skip-preview", *STACK, role="scientist")
    service = Service(stage, USE_CASE, rate=0)
    outputs = stage.pulumi("stack", "output", "--json", *STACK, role="ci").json()
    service.upload_data(outputs["trainingBucket"])
    stage.understudy("train", USE_CASE, role="scientist")
