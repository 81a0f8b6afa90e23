"""A refresh right after an `up` changes nothing: what AWS spells otherwise or adds is not drift."""

from __future__ import annotations

from typing import Any

from sandbox.aws_provider import shapes, state
from sandbox.aws_provider.session import service_model
from sandbox.aws_provider.table import resource_type


def read(token: str, shape: str, answer: dict[str, Any]) -> dict[str, Any]:
    spec = resource_type(token)
    found = shapes.incoming(answer, service_model(spec.client).shape_for(shape))
    return state.properties(spec, found, lambda _: None)


def test_a_project_keeps_its_log_group() -> None:
    logs = {"cloudwatchLogs": {"status": "ENABLED", "groupName": "builds"}}
    answer = {"name": "p", "logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": "builds"}}}
    seen = read("aws:codebuild/project:Project", "Project", answer)
    assert seen["logsConfig"] == logs
    inputs = state.refreshed_inputs(resource_type("aws:codebuild/project:Project"), {"logsConfig": logs}, seen, {})
    assert inputs["logsConfig"] == logs


def test_another_log_group_is_drift() -> None:
    logs = {"cloudwatchLogs": {"status": "ENABLED", "groupName": "builds"}}
    answer = {"name": "p", "logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": "other"}}}
    seen = read("aws:codebuild/project:Project", "Project", answer)
    inputs = state.refreshed_inputs(resource_type("aws:codebuild/project:Project"), {"logsConfig": logs}, seen, {})
    assert inputs["logsConfig"] == {"cloudwatchLogs": {"status": "ENABLED", "groupName": "other"}}


def test_the_note_on_defaults_inside_a_block_stays() -> None:
    given = {"image": "i", "mode": "SingleModel", "__defaults": ["mode"]}
    spec = resource_type("aws:sagemaker/model:Model")
    seen = {"primaryContainer": {"image": "j", "mode": "SingleModel", "environment": {}}}
    inputs = state.refreshed_inputs(spec, {"primaryContainer": given}, seen, {})
    assert inputs["primaryContainer"] == {**given, "image": "j"}
