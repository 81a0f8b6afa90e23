"""Each handler imports from a folder laid out as its zip, with the standard library, boto3 and Powertools alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# What boto3 and the layer bring along; everything else of this environment is refused.
ALLOWED = {
    "aws_lambda_powertools",
    "boto3",
    "botocore",
    "dateutil",
    "functions",
    "jmespath",
    "s3transfer",
    "six",
    "typing_extensions",
    "urllib3",
    "use_case_replay",
}

PROGRAM = """
import importlib, importlib.abc, sys
ALLOWED = set(sys.argv[2].split(","))

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names and not top.startswith("_"):
            raise ModuleNotFoundError(f"{name} is not in the layer", name=name)

sys.meta_path.insert(0, Refuse())
module = importlib.import_module(sys.argv[1])
assert callable(module.handler)
if "replay" in sys.argv[1]:
    from functions.replay import transform
    print(transform.load()({"body": "1"}))
"""


@pytest.mark.parametrize("name", ["replay", "accuracy", "rollback"])
def test_a_handler_needs_only_its_layer(name: str, tmp_path: Path) -> None:
    for source in (ROOT / "functions" / "common", ROOT / "functions" / name):
        for path in source.glob("*.py"):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (tmp_path / "functions" / "__init__.py").write_bytes((ROOT / "functions" / "__init__.py").read_bytes())
    (tmp_path / "use_case_replay.py").write_text("def transform(record):\n    return record\n")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, f"functions.{name}.handler", ",".join(sorted(ALLOWED))],
        cwd=tmp_path,
        env={"AWS_DEFAULT_REGION": "us-west-2", "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == ("{'body': '1'}" if name == "replay" else "")
