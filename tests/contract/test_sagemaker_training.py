"""Training jobs really train: channels in, script run, metrics read, artifacts out."""

from __future__ import annotations

import io
import json
import tarfile
import time
from typing import Any

import pytest

SCRIPT = """
import argparse, json, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=int)
parser.add_argument("--name")
parser.add_argument("--mode", default="train")
options = parser.parse_args()
if options.mode == "fail":
    pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("the labels are shuffled")
    sys.exit(3)
if options.mode == "crash":
    raise ValueError("no failure file")
if options.mode == "wait":
    print("waiting", flush=True)
    time.sleep(60)
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "part.csv").read_text().split()
total = sum(int(row) for row in rows) * options.factor
print(f"validation-accuracy: 0.5;")
print(f"validation-accuracy: {total / 100};")
document = {"total": total, "name": options.name, "hps": json.loads(os.environ["SM_HPS"]),
            "extra": os.environ["EXTRA"], "channels": json.loads(os.environ["SM_CHANNELS"])}
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(document))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text("done")
"""


def start(lab: Any, job: str, **parameters: str) -> dict[str, Any]:
    source = lab.archive({"train.py": SCRIPT.encode()})
    base = f"data/{job}"
    lab.s3.put_object(Bucket=lab.bucket, Key=f"{base}/train/part.csv", Body=b"1\n2\n3\n")
    request = {
        "TrainingJobName": job,
        "AlgorithmSpecification": {
            "TrainingImage": "683313688378.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.0-5",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "validation:accuracy", "Regex": "validation-accuracy: ([0-9.]+);"}],
        },
        "RoleArn": lab.role,
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{lab.bucket}/{base}/train",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{lab.bucket}/jobs"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "Environment": {"EXTRA": "given"},
        "HyperParameters": {
            "sagemaker_program": json.dumps("train.py"),
            "sagemaker_submit_directory": json.dumps(source),
            **parameters,
        },
    }
    lab.sagemaker.create_training_job(**request)
    return request


def finished(lab: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        job: dict[str, Any] = lab.sagemaker.describe_training_job(TrainingJobName=name)
        if job["TrainingJobStatus"] not in ("InProgress", "Stopping"):
            return job
        assert time.monotonic() < deadline, job["SecondaryStatus"]
        time.sleep(0.05)


def test_a_job_trains_and_leaves_its_model(lab: Any, boto: Any, unique: Any) -> None:
    name = unique("job")
    request = start(lab, name, factor="7", name='"a name"')
    job = finished(lab, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert [step["Status"] for step in job["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    artifact = f"s3://{lab.bucket}/jobs/{name}/output/model.tar.gz"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == artifact
    assert job["HyperParameters"] == request["HyperParameters"]
    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert metrics == {"validation:accuracy": pytest.approx(0.42)}
    body = lab.s3.get_object(Bucket=lab.bucket, Key=f"jobs/{name}/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        member = archive.extractfile("model.json")
        assert member is not None
        assert json.loads(member.read()) == {
            "total": 42,
            "name": "a name",
            "hps": {"factor": 7, "name": "a name"},
            "extra": "given",
            "channels": ["train"],
        }
    assert lab.s3.get_object(Bucket=lab.bucket, Key=f"jobs/{name}/output/output.tar.gz")["ContentLength"] > 0
    events = boto("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=name)
    assert "validation-accuracy: 0.42;" in [event["message"] for event in events["events"]]


def test_a_failure_tells_its_reason(lab: Any, unique: Any) -> None:
    failing, crashing = unique("job"), unique("job")
    start(lab, failing, mode="fail")
    start(lab, crashing, mode="crash")
    job = finished(lab, failing)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == "AlgorithmError: the labels are shuffled"
    job = finished(lab, crashing)
    assert "ValueError: no failure file" in job["FailureReason"]
    assert "ModelArtifacts" in job and job["ModelArtifacts"].get("S3ModelArtifacts", "") == ""


def test_a_job_stops_when_told(lab: Any, unique: Any, refused: Any) -> None:
    name = unique("job")
    start(lab, name, mode="wait")
    lab.sagemaker.stop_training_job(TrainingJobName=name)
    job = finished(lab, name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    with refused("ValidationException", "Stopped"):
        lab.sagemaker.stop_training_job(TrainingJobName=name)


def test_names_roles_and_missing_data_are_checked(lab: Any, unique: Any, refused: Any) -> None:
    name = unique("job")
    request = start(lab, name, factor="1")
    with refused("ResourceInUse", name):
        lab.sagemaker.create_training_job(**request)
    request = {**request, "TrainingJobName": unique("job")}
    with refused("ValidationException", "role/nobody"):
        lab.sagemaker.create_training_job(**{**request, "RoleArn": "arn:aws:iam::123456789012:role/nobody"})
    with refused("ValidationException", "Requested resource not found."):
        lab.sagemaker.describe_training_job(TrainingJobName="nobody")
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{lab.bucket}/empty"
    lab.sagemaker.create_training_job(**request)
    assert "No objects matched the S3 prefix" in finished(lab, request["TrainingJobName"])["FailureReason"]
    finished(lab, name)
