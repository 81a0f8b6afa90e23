"""Images in ECR by name: what a URI says, and what a registry serves under it.

A tag is a name that can be moved, a digest is the image itself. What a version was registered with is the digest; a
custom image's tag is its build context's digest (`model_package.image`), in a repository whose tags are immutable.

API: ecr:BatchGetImage, which pulling needs anyway, and which AWS's own repositories grant to everybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from model_package.errors import ImageRefused

ECR_IMAGE = re.compile(
    r"(?P<registry>(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.[a-z]+)?)/"
    r"(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
"""What CreateModel takes."""
MANIFESTS = (
    DOCKER_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
"""What is asked for: a registry would convert, or hide, what it is not told we know."""


@dataclass(frozen=True)
class ImageReference:
    """`registry/repository`, with a tag or a digest (`sha256:…`); a digest wins over a tag beside it."""

    registry: str
    account: str
    region: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """`registry/repository`."""
        return f"{self.registry}/{self.repository}"

    def pinned(self, digest: str) -> str:
        """The URI of one image of the repository, for good."""
        return f"{self.name}@{digest}"


@dataclass(frozen=True)
class Image:
    """What a registry serves: the image's digest and its manifest's media type."""

    digest: str
    media_type: str


def parse(uri: str) -> ImageReference:
    """Raises ImageRefused for what is no ECR image; SageMaker runs no other. Without tag and digest: `latest`."""
    match = ECR_IMAGE.fullmatch(uri)
    if match is None:
        form = "<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>, or @sha256:<digest>"
        raise ImageRefused(f"{uri!r} is no image in ECR: expected {form}")
    parts = match.groupdict()
    if not parts["digest"] and not parts["tag"]:
        parts["tag"] = "latest"
    return ImageReference(**parts)


def check_region(uri: str, region: str) -> None:
    """Raises ImageRefused for an image of another region than the endpoint's: SageMaker pulls from its own only."""
    found = parse(uri).region
    if found != region:
        raise ImageRefused(
            f"image {uri} is in {found}, and its endpoint will be in {region}: SageMaker pulls from its own region "
            f"only; train the model again there, or name an image of {region}"
        )


def served(ecr: Any, reference: ImageReference, *, tag: str | None = None) -> Image | None:
    """What the registry serves for the reference (or for `tag` of its repository); None if there is nothing.

    `ecr` is a client in the reference's region. Raises botocore's ClientError where the registry may not be read.
    """
    by_tag = tag or not reference.digest
    image_id = {"imageTag": tag or reference.tag} if by_tag else {"imageDigest": reference.digest}
    try:
        answer = ecr.batch_get_image(
            registryId=reference.account,
            repositoryName=reference.repository,
            imageIds=[image_id],
            acceptedMediaTypes=list(MANIFESTS),
        )
    except ecr.exceptions.RepositoryNotFoundException:
        return None
    for image in answer.get("images", []):
        return Image(image["imageId"]["imageDigest"], image.get("imageManifestMediaType") or DOCKER_MANIFEST)
    return None


def moved(ecr: Any, uri: str, context: str, registered: str) -> str | None:
    """What stands where the image `registered` (its digest) should; None while all is as it was registered.

    `uri` is the version's image now; `context` the tag of a custom image, empty for others. A URI by digest without
    such a tag is compared alone, nothing is looked up.
    """
    reference = parse(uri)
    if reference.digest and reference.digest != registered:
        return reference.digest
    tag = context or (None if reference.digest else reference.tag)
    if tag is None:
        return None
    found = served(ecr, reference, tag=tag)
    if found is None:
        return f"nothing under tag {tag}"
    return None if found.digest == registered else found.digest
