"""CodeBuild: projects, and the builds that run."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sandbox.cloud.actions import AwsError, Call, Handler
from sandbox.cloud.compute.build import Build
from sandbox.cloud.ports import Cloud, Scope
from sandbox.cloud.trust import trusts_service

log = logging.getLogger(__name__)

TIMEOUT_MINUTES = 60
QUEUED_MINUTES = 480
_PROJECT = (
    "name", "description", "source", "secondarySources", "sourceVersion", "artifacts", "cache", "environment",
    "serviceRole", "timeoutInMinutes", "queuedTimeoutInMinutes", "encryptionKey", "tags", "vpcConfig", "logsConfig",
    "concurrentBuildLimit",
)  # fmt: skip


class BuildService:
    """The `Builds` port, and CodeBuild's operations."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._projects: dict[Scope, dict[str, dict[str, Any]]] = {}
        self._builds: dict[str, Build] = {}
        self._numbers: dict[str, int] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.RLock()

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateProject": self.create_project,
            "UpdateProject": self.update_project,
            "DeleteProject": self.delete_project,
            "BatchGetProjects": self.batch_get_projects,
            "ListProjects": lambda call: {"projects": sorted(self._projects.get(call.scope, {}))},
            "StartBuild": lambda call: {"build": self._start(call.scope, call.parameters, call.caller).describe()},
            "StopBuild": self.stop_build,
            "BatchGetBuilds": self.batch_get_builds,
            "ListBuilds": lambda call: {"ids": self._ids(call.scope, None, call.get("sortOrder"))},
            "ListBuildsForProject": self.list_builds_for_project,
        }

    def stop(self) -> None:
        with self._lock:
            builds, threads = list(self._builds.values()), list(self._threads)
        for build in builds:
            build.stop()
        for thread in threads:
            thread.join(5)

    def start_build(self, project_arn: str, parameters: Mapping[str, Any]) -> str:
        parts = project_arn.split(":")
        name = parts[5].removeprefix("project/")
        scope = Scope(parts[4], parts[3])
        if name not in self._projects.get(scope, {}):
            raise LookupError(f"Project {project_arn} does not exist")
        return self._start(scope, {**parameters, "projectName": name}, "rule").id

    # -- projects

    def create_project(self, call: Call) -> dict[str, Any]:
        name = call["name"]
        project = {key: call[key] for key in _PROJECT if call.get(key) is not None}
        project.setdefault("timeoutInMinutes", TIMEOUT_MINUTES)
        project.setdefault("queuedTimeoutInMinutes", QUEUED_MINUTES)
        project.setdefault("cache", {"type": "NO_CACHE"})
        project.setdefault("encryptionKey", f"arn:aws:kms:{call.scope.region}:{call.scope.account}:alias/aws/s3")
        project.setdefault("tags", [])
        _check(project, _arn(call.scope, name))
        with self._lock:
            projects = self._projects.setdefault(call.scope, {})
            if name in projects:
                raise AwsError("ResourceAlreadyExistsException", f"Project already exists: {_arn(call.scope, name)}")
            now = datetime.now(UTC)
            projects[name] = {**project, "arn": _arn(call.scope, name), "created": now, "lastModified": now}
            return {"project": projects[name]}

    def update_project(self, call: Call) -> dict[str, Any]:
        with self._lock:
            project = self._project(call.scope, call["name"])
            changed = project | {key: call[key] for key in _PROJECT if call.get(key) is not None}
            if changed.get("concurrentBuildLimit") == -1:
                del changed["concurrentBuildLimit"]
            _check(changed, project["arn"])
            project.clear()
            project.update(changed, lastModified=datetime.now(UTC))
            return {"project": project}

    def delete_project(self, call: Call) -> None:
        """Deleting what does not exist succeeds, as on AWS."""
        with self._lock:
            self._projects.get(call.scope, {}).pop(_name(call["name"]), None)

    def batch_get_projects(self, call: Call) -> dict[str, Any]:
        projects = self._projects.get(call.scope, {})
        found = [projects[_name(name)] for name in call["names"] if _name(name) in projects]
        return {"projects": found, "projectsNotFound": [name for name in call["names"] if _name(name) not in projects]}

    def _project(self, scope: Scope, name: str) -> dict[str, Any]:
        project = self._projects.get(scope, {}).get(_name(name))
        if project is None:
            raise AwsError("ResourceNotFoundException", f"Project cannot be found: {_arn(scope, _name(name))}")
        return project

    # -- builds

    def _start(self, scope: Scope, parameters: Mapping[str, Any], initiator: str) -> Build:
        with self._lock:
            project = self._project(scope, parameters["projectName"])
            limit = project.get("concurrentBuildLimit")
            if limit is not None and len(self._active(scope, project["name"])) >= limit:
                raise AwsError(
                    "AccountLimitExceededException",
                    f"Cannot have more than {limit} builds of {project['name']} at a time",
                )
            build = self._build(scope, project, parameters, initiator)
            self._builds[build.id] = build
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            thread = threading.Thread(target=self._run, args=(build,), name=f"build-{build.project}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return build

    def _build(self, scope: Scope, project: Mapping[str, Any], parameters: Mapping[str, Any], initiator: str) -> Build:
        identifier = f"{project['name']}:{uuid.uuid4()}"
        self._numbers[project["arn"]] = self._numbers.get(project["arn"], 0) + 1
        overrides: Sequence[Mapping[str, str]] = parameters.get("environmentVariablesOverride") or ()
        configured: Sequence[Mapping[str, str]] = project["environment"].get("environmentVariables") or ()
        source = dict(project["source"])
        if parameters.get("buildspecOverride"):
            source["buildspec"] = parameters["buildspecOverride"]
        stream = identifier.split(":")[1]
        minutes = parameters.get("timeoutInMinutesOverride") or project["timeoutInMinutes"]
        named = {item["name"] for item in overrides}
        effective = [item for item in configured if item["name"] not in named] + list(overrides)
        description = {
            "id": identifier,
            "arn": f"arn:aws:codebuild:{scope.region}:{scope.account}:build/{identifier}",
            "buildNumber": self._numbers[project["arn"]],
            "startTime": datetime.now(UTC),
            "projectName": project["name"],
            "source": source,
            "artifacts": {"location": ""},
            "cache": project["cache"],
            "environment": {**project["environment"], "environmentVariables": effective},
            "serviceRole": project["serviceRole"],
            "logs": _logs(scope, project, stream),
            "timeoutInMinutes": minutes,
            "queuedTimeoutInMinutes": project["queuedTimeoutInMinutes"],
            "initiator": initiator.removeprefix("arn:aws:sts::").split(":", 1)[-1],
            "encryptionKey": project["encryptionKey"],
        }
        version = parameters.get("sourceVersion") or project.get("sourceVersion")
        if version:
            description["sourceVersion"] = version
        return Build(self._cloud, scope, description, effective, minutes * 60.0)

    def _run(self, build: Build) -> None:
        self._publish(build)
        build.run()
        self._publish(build)

    def _publish(self, build: Build) -> None:
        """`CodeBuild Build State Change`."""
        description = build.describe()
        detail = {
            "build-status": build.status,
            "project-name": build.project,
            "build-id": description["arn"],
            "current-phase": description["currentPhase"],
            "current-phase-context": "[]",
            "version": "1",
            "additional-information": {
                "build-complete": build.ended is not None,
                "build-start-time": f"{description['startTime']:%b %-d, %Y %-I:%M:%S %p}",
                "initiator": description["initiator"],
                "logs": {"group-name": build.log_group, "stream-name": build.log_stream},
                "phases": [_event_phase(phase) for phase in description["phases"]],
            },
        }
        self._cloud.events.publish(
            build.scope, "aws.codebuild", "CodeBuild Build State Change", detail, [description["arn"]]
        )

    def stop_build(self, call: Call) -> dict[str, Any]:
        build = self._builds.get(call["id"])
        if build is None or build.scope != call.scope:
            raise AwsError("ResourceNotFoundException", f"Build {call['id']} does not exist")
        build.stop()
        return {"build": build.describe()}

    def batch_get_builds(self, call: Call) -> dict[str, Any]:
        found, missing = [], []
        for identifier in call["ids"]:
            build = self._builds.get(identifier.rsplit(":build/", 1)[-1])
            if build is None or build.scope != call.scope:
                missing.append(identifier)
            else:
                found.append(build.describe())
        return {"builds": found, "buildsNotFound": missing}

    def list_builds_for_project(self, call: Call) -> dict[str, Any]:
        name = _name(call["projectName"])
        if name not in self._projects.get(call.scope, {}):
            raise AwsError("ResourceNotFoundException", f"The provided project {_arn(call.scope, name)} does not exist")
        return {"ids": self._ids(call.scope, name, call.get("sortOrder"))}

    def _ids(self, scope: Scope, project: str | None, order: str | None) -> list[str]:
        """Newest first, unless ascending is asked for."""
        with self._lock:
            builds = [build for build in self._builds.values() if build.scope == scope]
        ids = [build.id for build in builds if project in (None, build.project)]
        return ids if order == "ASCENDING" else ids[::-1]

    def _active(self, scope: Scope, project: str) -> list[Build]:
        return [
            build
            for build in self._builds.values()
            if build.scope == scope and build.project == project and build.ended is None
        ]


def _logs(scope: Scope, project: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """Where a build's log is: in the group that the project names, else in its own."""
    configured = project.get("logsConfig", {}).get("cloudWatchLogs", {})
    group = configured.get("groupName") or f"/aws/codebuild/{project['name']}"
    console = f"https://console.aws.amazon.com/cloudwatch/home?region={scope.region}"
    return {
        "groupName": group,
        "streamName": stream,
        "deepLink": f"{console}#logsV2:log-groups/log-group/{quote(group, safe='')}/log-events/{stream}",
        "cloudWatchLogs": {"status": "ENABLED", **configured},
    }


def _check(project: Mapping[str, Any], project_arn: str) -> None:
    source = project["source"]
    if source["type"] != "NO_SOURCE":
        raise AwsError(
            "InvalidInputException",
            f"The sandbox builds NO_SOURCE projects only, not {source['type']}: clone in the buildspec",
        )
    if not source.get("buildspec"):
        raise AwsError("InvalidInputException", "Project source of type NO_SOURCE requires an inline buildspec")
    if project["artifacts"]["type"] != "NO_ARTIFACTS":
        raise AwsError("InvalidInputException", "Projects of type NO_SOURCE must have NO_ARTIFACTS")
    if not trusts_service(project["serviceRole"], "codebuild.amazonaws.com", project_arn):
        raise AwsError(
            "InvalidInputException",
            f"CodeBuild is not authorized to perform: sts:AssumeRole on {project['serviceRole']}",
        )


def _event_phase(phase: Mapping[str, Any]) -> dict[str, Any]:
    result = {"phase-type": phase["phaseType"], "start-time": f"{phase['startTime']:%b %-d, %Y %-I:%M:%S %p}"}
    if "endTime" in phase:
        result |= {
            "phase-status": phase["phaseStatus"],
            "end-time": f"{phase['endTime']:%b %-d, %Y %-I:%M:%S %p}",
            "duration-in-seconds": phase["durationInSeconds"],
            "phase-context": [f"{item['statusCode']}: {item['message']}" for item in phase["contexts"]],
        }
    return result


def _arn(scope: Scope, name: str) -> str:
    return f"arn:aws:codebuild:{scope.region}:{scope.account}:project/{name}"


def _name(name_or_arn: str) -> str:
    return name_or_arn.rsplit(":project/", 1)[-1]
