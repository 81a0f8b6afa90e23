"""ECR: what an image is called by."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.mark.parametrize("more", [{}, {"layers": [{"digest": "sha256:1"}], "config": {"size": 1}}])
def test_an_image_s_digest_is_the_manifest_s(boto: Any, unique: Any, more: dict[str, Any]) -> None:
    ecr, repository = boto("ecr"), unique("images")
    ecr.create_repository(repositoryName=repository)
    for number in range(3):
        manifest = json.dumps({"schemaVersion": 2, "mediaType": DOCKER, "number": number, **more})
        put = ecr.put_image(
            repositoryName=repository,
            imageTag=f"v{number}",
            imageManifest=manifest,
            imageManifestMediaType=DOCKER,
        )
        digest = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
        assert put["image"]["imageId"]["imageDigest"] == digest
        got = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
        assert [image["imageManifest"] for image in got["images"]] == [manifest]
