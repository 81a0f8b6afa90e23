"""One build: its phases, status and log, as BatchGetBuilds shows them."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from moto.ssm.models import ssm_backends

from sandbox.cloud import identity
from sandbox.cloud.compute import buildspec, image_tools
from sandbox.cloud.compute.buildspec import Buildspec, BuildspecError
from sandbox.cloud.compute.shell import Shell
from sandbox.cloud.ports import Cloud, Scope

log = logging.getLogger(__name__)

Status = Literal["IN_PROGRESS", "SUCCEEDED", "FAILED", "FAULT", "STOPPED", "TIMED_OUT"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class PhaseError(Exception):
    """A phase failed; `code` is the status code of its context."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Build:
    """`description` is the API's Build structure without what changes."""

    cloud: Cloud
    scope: Scope
    description: dict[str, Any]
    variables: list[Mapping[str, str]]
    """environmentVariables of the project, then those of StartBuild."""
    timeout_seconds: float
    status: Status = "IN_PROGRESS"
    phases: list[dict[str, Any]] = field(default_factory=list)
    ended: datetime | None = None
    _guard: threading.RLock = field(default_factory=threading.RLock)
    _shell: Shell | None = None

    @property
    def id(self) -> str:
        return str(self.description["id"])

    @property
    def project(self) -> str:
        return str(self.description["projectName"])

    @property
    def log_group(self) -> str:
        return str(self.description["logs"]["groupName"])

    @property
    def log_stream(self) -> str:
        return self.id.split(":")[1]

    def describe(self) -> dict[str, Any]:
        with self._guard:
            current = self.phases[-1]["phaseType"] if self.phases else "SUBMITTED"
            result = {
                **self.description,
                "buildStatus": self.status,
                "currentPhase": current,
                "buildComplete": self.ended is not None,
                "phases": [dict(phase) for phase in self.phases],
            }
            return result | ({"endTime": self.ended} if self.ended else {})

    def stop(self) -> None:
        self._end("STOPPED")

    def run(self) -> None:
        """All phases, to the end. Whatever goes wrong ends up in the build's status."""
        root = self.cloud.directory / "builds" / self.log_stream
        timer = threading.Timer(self.timeout_seconds, self._end, ["TIMED_OUT"])
        timer.daemon = True
        timer.start()
        try:
            self._phase("SUBMITTED", lambda: None)
            self._phase("QUEUED", lambda: None)
            self._phase("PROVISIONING", lambda: self._provision(root))
            spec = self._phase("DOWNLOAD_SOURCE", self._specification)
            self._commands(spec, root / "src")
        except PhaseError as error:
            self.write(f"Phase context status code: {error.code} Message: {error}")
            self._end("FAILED")
        except Exception:
            log.exception("build %s", self.id)
            self._end("FAULT")
        finally:
            timer.cancel()
            if self._shell is not None:
                self._shell.close()
            self._complete()
            if root.exists():
                shutil.rmtree(root)

    def write(self, *lines: str) -> None:
        self.cloud.logs.append(self.scope, self.log_group, self.log_stream, lines)

    def _container(self, text: str) -> None:
        self.write(f"[Container] {datetime.now(UTC):%Y/%m/%d %H:%M:%S.%f} {text}")

    def _provision(self, root: Path) -> None:
        for name in ("src", "home", "tmp"):
            (root / name).mkdir(parents=True)
        privileged = bool(self.description["environment"].get("privilegedMode"))
        image_tools.install(root / "bin", privileged=privileged)

    def _specification(self) -> tuple[Buildspec, dict[str, str]]:
        try:
            spec = buildspec.parse(self.description["source"]["buildspec"])
        except BuildspecError as error:
            raise PhaseError("YAML_FILE_ERROR", str(error)) from error
        return spec, self._variables(spec)

    def _variables(self, spec: Buildspec) -> dict[str, str]:
        """Buildspec's, project's, then StartBuild's variables: the later ones win."""
        variables = dict(spec.variables) | {name: self._parameter(key) for name, key in spec.parameters.items()}
        for item in self.variables:
            kind = item.get("type") or "PLAINTEXT"
            if kind not in ("PLAINTEXT", "PARAMETER_STORE"):
                raise PhaseError("CLIENT_ERROR", f"The sandbox has no variables of type {kind} ({item['name']})")
            variables[item["name"]] = item["value"] if kind == "PLAINTEXT" else self._parameter(item["value"])
        return variables

    def _parameter(self, name: str) -> str:
        with self.cloud.lock("ssm"):
            parameter = ssm_backends[self.scope.account][self.scope.region].get_parameter(name)
            if parameter is None:
                raise PhaseError("Parameter Store Error", f"[{name}]: ParameterNotFound")
            return str(parameter.response_object(True, self.scope.region)["Value"])

    def _environment(self, variables: Mapping[str, str], source: Path) -> dict[str, str]:
        region, root = self.scope.region, source.parent
        return {
            "PATH": os.pathsep.join(
                [str(root / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", PATH)]
            ),
            "LANG": "C.UTF-8",
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "CODEBUILD_BUILD_ARN": self.description["arn"],
            "CODEBUILD_BUILD_ID": self.id,
            "CODEBUILD_BUILD_NUMBER": str(self.description["buildNumber"]),
            "CODEBUILD_BUILD_IMAGE": self.description["environment"]["image"],
            "CODEBUILD_BUILD_SUCCEEDING": "1",
            "CODEBUILD_INITIATOR": self.description["initiator"],
            "CODEBUILD_LOG_PATH": self.log_stream,
            "CODEBUILD_SOURCE_VERSION": self.description.get("sourceVersion", ""),
            "CODEBUILD_RESOLVED_SOURCE_VERSION": "",
            "CODEBUILD_SRC_DIR": str(source),
            "CODEBUILD_START_TIME": str(int(self.description["startTime"].timestamp() * 1000)),
            **self.cloud.build_environment,
            **self.cloud.child_environment,
            **self.cloud.attachments.get(self.scope.account, {}),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **identity.role_environment(self.description["serviceRole"], f"AWSCodeBuild-{self.log_stream}", region),
            **variables,
        }

    def _commands(self, specified: tuple[Buildspec, dict[str, str]], source: Path) -> None:
        spec, variables = specified
        with self._guard:
            self._shell = Shell(self.cloud.children, self._environment(variables, source), source, self.write)
        shell = self._shell
        failed: str | None = None
        for name in buildspec.PHASES:
            phase = spec.phases.get(name, buildspec.Phase())
            if self.status != "IN_PROGRESS" or (failed and not (name == "post_build" and failed == "build")):
                break
            self._container(f"Entering phase {name.upper()}")
            try:
                self._phase(name.upper(), lambda phase=phase: self._run_phase(shell, phase))
            except PhaseError as error:
                self.write(f"Phase context status code: {error.code} Message: {error}")
                shell.set("CODEBUILD_BUILD_SUCCEEDING", "0")
                if phase.on_failure != "CONTINUE":
                    failed = name
                if phase.on_failure == "ABORT":
                    break
        if failed is None:
            self._phase("UPLOAD_ARTIFACTS", lambda: None)
        self._phase("FINALIZING", lambda: None)
        self._end("FAILED" if failed else "SUCCEEDED")

    def _run_phase(self, shell: Shell, phase: buildspec.Phase) -> None:
        try:
            self._run_commands(shell, phase.commands)
        finally:
            self._run_commands(shell, phase.cleanup)

    def _run_commands(self, shell: Shell, commands: tuple[str, ...]) -> None:
        for command in commands:
            self._container(f"Running command {command}")
            status = shell.run(command)
            if status != 0:
                self._container(f"Command did not exit successfully {command} exit status {status}")
                raise PhaseError(
                    "COMMAND_EXECUTION_ERROR", f"Error while executing command: {command}. Reason: exit status {status}"
                )

    def _phase(self, name: str, work: Any) -> Any:
        """Records a phase around `work`; the status of a build that was ended meanwhile wins."""
        started = datetime.now(UTC)
        record: dict[str, Any] = {"phaseType": name, "startTime": started}
        with self._guard:
            self.phases.append(record)
        outcome, contexts = "SUCCEEDED", [{"statusCode": "", "message": ""}]
        try:
            return work()
        except PhaseError as error:
            outcome, contexts = "FAILED", [{"statusCode": error.code, "message": str(error)}]
            raise
        finally:
            ended = datetime.now(UTC)
            with self._guard:
                if self.status in ("STOPPED", "TIMED_OUT"):
                    outcome = self.status
                seconds = int((ended - started).total_seconds())
                record |= {"phaseStatus": outcome, "endTime": ended, "durationInSeconds": seconds, "contexts": contexts}

    def _end(self, status: Status) -> None:
        """The first end counts. Ends the shell if the build is still at work."""
        with self._guard:
            if self.status != "IN_PROGRESS":
                return
            self.status = status
            shell = self._shell
        if status in ("STOPPED", "TIMED_OUT") and shell is not None:
            shell.kill()

    def _complete(self) -> None:
        with self._guard:
            self.ended = datetime.now(UTC)
            self.phases.append({"phaseType": "COMPLETED", "startTime": self.ended})
