"""Training jobs: the operations, and a job's way from Starting to Completed."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.cloud.actions import AwsError, Call, Handler
from sandbox.cloud.ports import Cloud, Scope
from sandbox.cloud.sagemaker import events, wording
from sandbox.cloud.sagemaker.archives import BadArchiveError
from sandbox.cloud.sagemaker.listing import page
from sandbox.cloud.sagemaker.models import SERVICE, check_image
from sandbox.cloud.sagemaker.storage import Storage
from sandbox.cloud.sagemaker.store import Description, Store, arn, now, refuse
from sandbox.cloud.sagemaker.training_container import TrainingContainer, TrainingError
from sandbox.cloud.trust import trusts_service

# What AWS spends before and after the container runs, in its seconds.
STARTING_SECONDS = 60.0
UPLOADING_SECONDS = 10.0
RUNNING = ("InProgress", "Stopping")
MAXIMUM_REASON = 1024
METRICS_NAMESPACE = "/aws/sagemaker/TrainingJobs"

_KEPT = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "CheckpointConfig",
    "DebugHookConfig",
    "ExperimentConfig",
    "TensorBoardOutputConfig",
    "ProfilerConfig",
    "Environment",
    "RetryStrategy",
    "RemoteDebugConfig",
    "InfraCheckConfig",
)
_FLAGS = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")


@dataclass
class TrainingJob:
    """One job and where it is."""

    scope: Scope
    name: str
    arn: str
    request: Description
    status: str = "InProgress"
    transitions: list[Description] = field(default_factory=list)
    failure_reason: str | None = None
    artifacts: str = ""
    metrics: list[Description] = field(default_factory=list)
    created: datetime = field(default_factory=now)
    modified: datetime = field(default_factory=now)
    started: datetime | None = None
    ended: datetime | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def describe(self) -> Description:
        """DescribeTrainingJob."""
        answer: Description = {
            **self.request,
            "TrainingJobName": self.name,
            "TrainingJobArn": self.arn,
            "TrainingJobStatus": self.status,
            "SecondaryStatus": self.transitions[-1]["Status"],
            "SecondaryStatusTransitions": list(self.transitions),
            "ModelArtifacts": {"S3ModelArtifacts": self.artifacts},
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }
        if self.started is not None:
            answer["TrainingStartTime"] = self.started
        if self.ended is not None:
            answer["TrainingEndTime"] = self.ended
            if self.started is not None:
                seconds = max(1, round((self.ended - self.started).total_seconds()))
                answer |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        if self.failure_reason:
            answer["FailureReason"] = self.failure_reason
        if self.metrics:
            answer["FinalMetricDataList"] = self.metrics
        return answer

    def move(self, status: str, message: str) -> None:
        """Go to the next secondary status."""
        moment = now()
        if self.transitions:
            self.transitions[-1]["EndTime"] = moment
        self.transitions.append({"Status": status, "StartTime": moment, "StatusMessage": message})
        self.modified = moment


class Training:
    """CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs, StopTrainingJob."""

    def __init__(self, cloud: Cloud, store: Store, storage: Storage) -> None:
        self._cloud = cloud
        self._store = store
        self._storage = storage
        self._lock = cloud.lock("sagemaker")
        self._threads: list[threading.Thread] = []

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list,
            "StopTrainingJob": self.stop_job,
        }

    def create(self, call: Call) -> Description:
        shelf, name = self._store.shelf(call.scope), call["TrainingJobName"]
        if name in shelf.training_jobs:
            raise AwsError("ResourceInUse", wording.DUPLICATE_JOB.format(name=name))
        if not trusts_service(call["RoleArn"], SERVICE, arn(call.scope, "training-job", name)):
            raise refuse(wording.TRAINING_ROLE.format(role=call["RoleArn"]))
        image = call["AlgorithmSpecification"].get("TrainingImage")
        if not image:
            raise refuse(wording.TRAINING_IMAGE)
        check_image(image, call.scope)
        request = {member: call[member] for member in _KEPT if call.get(member) is not None}
        request |= {flag: bool(call.get(flag, False)) for flag in _FLAGS}
        request.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": 86_400})
        job = TrainingJob(call.scope, name, arn(call.scope, "training-job", name), request)
        job.move("Starting", "Starting the training job")
        shelf.training_jobs[name] = job
        shelf.tag(job.arn, call.get("Tags"))
        self._announce(job)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._run, args=(job,), name="training", daemon=True)
        self._threads.append(thread)
        thread.start()
        return {"TrainingJobArn": job.arn}

    def describe(self, call: Call) -> Description:
        return self._find(call).describe()

    def list(self, call: Call) -> Description:
        jobs = [job.describe() for job in self._store.shelf(call.scope).training_jobs.values()]
        members = {"name": "TrainingJobName", "status": "TrainingJobStatus"}
        return page(call, "TrainingJobSummaries", jobs, **members, order="Ascending")

    def stop_job(self, call: Call) -> None:
        job = self._find(call)
        if job.status not in RUNNING:
            raise refuse(wording.NOT_RUNNING.format(status=job.status))
        if job.status == "InProgress":
            job.status = "Stopping"
            job.move("Stopping", "Stopping the training job")
            job.stopping.set()

    def stop(self) -> None:
        """Stop all jobs, when the sandbox stops."""
        for job in self._store.training_jobs():
            job.stopping.set()
        for thread in self._threads:
            thread.join()

    def _find(self, call: Call) -> TrainingJob:
        job = self._store.shelf(call.scope).training_jobs.get(call["TrainingJobName"])
        if job is None:
            raise refuse(wording.MISSING_JOB)
        return job

    # -- a job's way

    def _run(self, job: TrainingJob) -> None:
        container = TrainingContainer(self._cloud, self._storage, job.scope, job.name, job.arn, job.request)
        status, secondary = "Completed", "Completed"
        try:
            job.stopping.wait(self._cloud.seconds(STARTING_SECONDS))
            if not job.stopping.is_set():
                self._step(job, "Downloading", "Downloading input data", container.download)
                job.started = now()
                self._step(job, "Training", "Training image download completed. Training in progress.", lambda: None)
                secondary = container.train(job.stopping)
                status = "Completed" if secondary == "Completed" else "Stopped"
                self._publish(job, container)
                self._step(job, "Uploading", "Uploading generated training model", lambda: self._upload(job, container))
            else:
                status = secondary = "Stopped"
        except (TrainingError, BadArchiveError, ClientError, BotoCoreError) as error:
            status = secondary = "Failed"
            self._publish(job, container)
            reason = str(error) if isinstance(error, TrainingError) else f"ClientError: {error}"
            job.failure_reason = reason[:MAXIMUM_REASON]
        except Exception as error:
            # A bug of the sandbox must not leave a job in progress for ever.
            traceback.print_exc()
            status = secondary = "Failed"
            job.failure_reason = f"InternalServerError: {error}"[:MAXIMUM_REASON]
        finally:
            container.close()
        with self._lock:
            job.ended = now()
            job.status = status
            job.move(secondary, _LAST_WORDS.get(secondary, "Training job failed"))
            self._announce(job)

    def _step(self, job: TrainingJob, status: str, message: str, work: Callable[[], None]) -> None:
        with self._lock:
            if job.status == "InProgress":
                job.move(status, message)
                self._announce(job)
        work()

    def _upload(self, job: TrainingJob, container: TrainingContainer) -> None:
        job.artifacts = container.upload()
        time.sleep(self._cloud.seconds(UPLOADING_SECONDS))

    def _publish(self, job: TrainingJob, container: TrainingContainer) -> None:
        """The last value of each metric the job's definitions found in its log."""
        for name, (value, moment) in container.metrics.items():
            job.metrics.append({"MetricName": name, "Value": value, "Timestamp": moment})
            dimensions = {"TrainingJobName": job.name}
            self._cloud.metrics.put(job.scope, METRICS_NAMESPACE, name, dimensions, value, timestamp=moment)

    def _announce(self, job: TrainingJob) -> None:
        events.training_job(self._cloud, job.scope, job.describe())


_LAST_WORDS: dict[str, Any] = {
    "Completed": "Training job completed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
