"""Images by name: what a URI says, and whether the registry still serves what was registered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from model_package import image_reference
from model_package.errors import ImageRefused

REPOSITORY = "111111111111.dkr.ecr.us-west-2.amazonaws.com/understudy/tumor-triage"
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
CONTEXT = "c" * 64


@pytest.fixture
def ecr() -> Iterator[Stubber]:
    client = boto3.client("ecr", region_name="us-west-2", aws_access_key_id="testing", aws_secret_access_key="testing")
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def serve(ecr: Stubber, asked: dict[str, str], digest: str | None, media_type: str | None = None) -> None:
    image = {"imageId": {**asked, "imageDigest": digest}, "imageManifestMediaType": media_type}
    ecr.add_response(
        "batch_get_image",
        {"images": [{key: value for key, value in image.items() if value}] if digest else [], "failures": []},
        {
            "registryId": "111111111111",
            "repositoryName": "understudy/tumor-triage",
            "imageIds": [asked],
            "acceptedMediaTypes": list(image_reference.MANIFESTS),
        },
    )


def test_a_uri_is_taken_apart() -> None:
    reference = image_reference.parse(f"{REPOSITORY}:{CONTEXT}")
    assert (reference.account, reference.region) == ("111111111111", "us-west-2")
    assert (reference.repository, reference.tag, reference.digest) == ("understudy/tumor-triage", CONTEXT, None)
    assert reference.pinned(DIGEST) == f"{REPOSITORY}@{DIGEST}"
    assert image_reference.parse(REPOSITORY).tag == "latest"
    china = image_reference.parse(f"111111111111.dkr.ecr.cn-north-1.amazonaws.com.cn/a:1@{DIGEST}")
    assert (china.registry.endswith(".com.cn"), china.tag, china.digest) == (True, "1", DIGEST)


@pytest.mark.parametrize("uri", ["python:3.11", "public.ecr.aws/a/b:1", f"{REPOSITORY}@sha256:abc", "1/x:1", ""])
def test_what_is_no_ecr_image_is_refused(uri: str) -> None:
    with pytest.raises(ImageRefused, match=r"is no image in ECR: expected <account>\.dkr\.ecr"):
        image_reference.parse(uri)


def test_an_image_of_another_region_is_refused_with_both() -> None:
    image_reference.check_region(f"{REPOSITORY}:1", "us-west-2")
    with pytest.raises(ImageRefused, match=r"is in us-west-2, and its endpoint will be in eu-west-1: SageMaker pulls"):
        image_reference.check_region(f"{REPOSITORY}:1", "eu-west-1")


def test_what_a_registry_serves(ecr: Stubber) -> None:
    oci = "application/vnd.oci.image.manifest.v1+json"
    serve(ecr, {"imageTag": "1"}, DIGEST, oci)
    assert image_reference.served(ecr.client, image_reference.parse(f"{REPOSITORY}:1")) == image_reference.Image(
        DIGEST, oci
    )
    serve(ecr, {"imageDigest": DIGEST}, None)
    assert image_reference.served(ecr.client, image_reference.parse(f"{REPOSITORY}@{DIGEST}")) is None
    ecr.add_client_error("batch_get_image", "RepositoryNotFoundException", "no such repository")
    assert image_reference.served(ecr.client, image_reference.parse(f"{REPOSITORY}:1")) is None


MOVES: list[tuple[str, str, dict[str, str] | None, str | None, str | None]] = [
    (f"@{DIGEST}", "", None, None, None),
    (f"@{OTHER}", "", None, None, OTHER),
    (f"@{OTHER}", CONTEXT, None, None, OTHER),
    (f"@{DIGEST}", CONTEXT, {"imageTag": CONTEXT}, DIGEST, None),
    (f"@{DIGEST}", CONTEXT, {"imageTag": CONTEXT}, OTHER, OTHER),
    (f"@{DIGEST}", CONTEXT, {"imageTag": CONTEXT}, None, f"nothing under tag {CONTEXT}"),
    (":3.0-5", "", {"imageTag": "3.0-5"}, DIGEST, None),
    (":3.0-5", "", {"imageTag": "3.0-5"}, OTHER, OTHER),
]


@pytest.mark.parametrize(("name", "context", "asked", "there", "found"), MOVES)
def test_an_image_that_is_no_longer_the_registered_one(
    ecr: Stubber, name: str, context: str, asked: dict[str, str] | None, there: str | None, found: str | None
) -> None:
    if asked:
        serve(ecr, asked, there)
    client: Any = ecr.client
    assert image_reference.moved(client, f"{REPOSITORY}{name}", context, DIGEST) == found
