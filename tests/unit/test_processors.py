"""Processors: what an instance type has, what an image's name says, and what does not fit."""

from __future__ import annotations

import pytest

from model_package import processors

REGISTRY = "763104351884.dkr.ecr.us-west-2.amazonaws.com"
NAMES = {
    f"{REGISTRY}/pytorch-inference:2.6.0-cpu-py312": "cpu",
    f"{REGISTRY}/pytorch-inference:2.6.0-gpu-py312-cu124-ubuntu22.04-sagemaker": "gpu",
    f"{REGISTRY}/pytorch-inference-arm64:2.6.0-cpu-py312-ubuntu22.04-sagemaker": "arm64",
    f"{REGISTRY}/pytorch-inference-graviton:2.3-cpu-py311-ubuntu20.04-sagemaker": "arm64",
    f"{REGISTRY}/sagemaker-scikit-learn:1.0-1-arm64-cpu-py3": "arm64",
    f"{REGISTRY}/pytorch-inference-neuronx:2.5.1-neuronx-py310": "neuron",
    f"{REGISTRY}/sagemaker-scikit-learn:1.2-1-cpu-py3": "cpu",
    f"{REGISTRY}/sagemaker-xgboost:3.0-5": None,
    f"{REGISTRY}/pytorch-inference@sha256:{'a' * 64}": None,
    f"111111111111.dkr.ecr.us-west-2.amazonaws.com/understudy/tumor-triage:{'a' * 64}": None,
}


@pytest.mark.parametrize(
    ("instance_type", "kind"),
    [
        ("ml.m5.large", "cpu"),
        ("ml.c7i.2xlarge", "cpu"),
        ("ml.t2.medium", "cpu"),
        ("ml.m5d-flex.large", "cpu"),
        ("ml.g4dn.xlarge", "gpu"),
        ("ml.g5.xlarge", "gpu"),
        ("ml.p4d.24xlarge", "gpu"),
        ("ml.c7g.large", "arm64"),
        ("ml.m6gd.large", "arm64"),
        ("ml.c6gn.xlarge", "arm64"),
        ("ml.inf2.xlarge", "neuron"),
        ("ml.trn1.2xlarge", "neuron"),
    ],
)
def test_an_instance_type_has_one_kind(instance_type: str, kind: str) -> None:
    assert processors.of_instance(instance_type) == kind


@pytest.mark.parametrize(("uri", "kind"), NAMES.items())
def test_an_image_of_aws_s_says_its_kind_in_its_name(uri: str, kind: str | None) -> None:
    assert processors.of_image(uri) == kind


@pytest.mark.parametrize("version", ["2.6.0", "2.3"])
@pytest.mark.parametrize("instance_type", ["ml.m5.large", "ml.g5.xlarge", "ml.p4d.24xlarge", "ml.c7g.large"])
def test_the_sdk_s_choice_of_an_image_fits_the_instance_it_was_chosen_for(version: str, instance_type: str) -> None:
    from sagemaker.core import image_uris

    given = {"version": version, "instance_type": instance_type, "image_scope": "inference"}
    uri = str(image_uris.retrieve("pytorch", "us-west-2", **given))
    assert processors.mismatch(processors.of_image(uri), instance_type) is None


def test_what_does_not_fit_is_said_in_words() -> None:
    assert processors.mismatch("cpu", "ml.g5.xlarge") == (
        "the image is for processors (x86), and ml.g5.xlarge has graphics cards"
    )
    assert processors.mismatch("gpu", "ml.c7g.large") == (
        "the image is for graphics cards, and ml.c7g.large has Graviton processors"
    )
    assert processors.mismatch("quantum", "ml.m5.large") == (
        "the image is for quantum, and ml.m5.large has processors (x86)"
    )
    assert processors.mismatch("cpu", "ml.m5.large") is None
    assert processors.mismatch(None, "ml.g5.xlarge") is None
    assert processors.mismatch("", "ml.g5.xlarge") is None
