"""What happens to a model package after CreateModelPackage accepted it: Pending, InProgress, Completed or Failed.

AWS looks at the images meanwhile: their digests are in the description of a completed version, and what is wrong with
one is in `ModelPackageStatusDetails.ImageScanStatuses` of a failed one. Model data is looked at before the request is
answered. Validation jobs (`ValidationSpecification`) are not run here.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.cloud.actions import AwsError, Call
from sandbox.cloud.ports import Cloud, Scope
from sandbox.cloud.sagemaker import events, wording
from sandbox.cloud.sagemaker.models import (
    check_image,
    check_image_name,
    check_model_data,
    check_model_data_found,
    image_digest,
    model_data,
)
from sandbox.cloud.sagemaker.store import Description, Store, now, refuse, scope_of

# The example of a version in AWS's guide was complete 14 s after it was created.
PENDING_SECONDS = 2.0
IN_PROGRESS_SECONDS = 12.0


class Registrations:
    """Carries accepted packages to their final status, each in a thread of its own."""

    def __init__(self, cloud: Cloud, store: Store) -> None:
        self._cloud = cloud
        self._store = store

    def begin(self, package: Description) -> None:
        """Start with a package that is on its shelf and Pending."""
        self.announce(package, [])
        threading.Thread(target=self._run, args=(package,), name="registration", daemon=True).start()

    def announce(self, package: Description, updated: list[str]) -> None:
        """Tell EventBridge of a package as it is now; `updated` names the fields that an update changed."""
        events.model_package(self._cloud, scope_of(package["ModelPackageArn"]), package, updated)

    def _run(self, package: Description) -> None:
        for seconds, step in ((PENDING_SECONDS, _start), (IN_PROGRESS_SECONDS, _finish)):
            if self._cloud.stopping.wait(self._cloud.seconds(seconds)):
                return
            with self._cloud.lock("sagemaker"):
                package_arn = package["ModelPackageArn"]
                if self._store.shelf_of(package_arn).packages.get(package_arn) is not package:
                    return  # deleted meanwhile
                try:
                    step(package)
                except Exception:
                    # A bug of the sandbox must not leave a package in progress for ever.
                    traceback.print_exc()
                    package["ModelPackageStatus"] = "Failed"
                package["LastModifiedTime"] = now()
                self.announce(package, [])


def check_containers(request: Mapping[str, Any], call: Call, *, versioned: bool) -> None:
    """What CreateModelPackage and UpdateModelPackage refuse before they answer."""
    for container in containers(request):
        if container.get("AdditionalS3DataSource"):
            raise refuse("AdditionalS3DataSource is not allowed in InferenceSpecification")
        if container.get("Environment") and not versioned:
            raise refuse(
                "1 validation errors detected:Environment variable map cannot be specified when using non-versioned "
                "ModelPackages"
            )
        check_image_name(container["Image"])
        url = model_data(container)
        if url:
            check_model_data_found(call, url)
            check_model_data(call, url)
    if request.get("ValidationSpecification") and request.get("SkipModelValidation") != "All":
        raise refuse(wording.VALIDATION_JOBS)


def resolve_image(container: dict[str, Any], scope: Scope) -> None:
    """Write the image's digest into the container, where the sandbox can know it; refuses a missing image."""
    check_image(container["Image"], scope)
    digest = image_digest(container["Image"])
    if digest is not None:
        container["ImageDigest"] = digest


def containers(package: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The containers of a request's, or a package's, inference specifications."""
    main, more = package.get("InferenceSpecification"), package.get("AdditionalInferenceSpecifications") or []
    for specification in [main, *more]:
        yield from (specification or {}).get("Containers") or []


def _start(package: Description) -> None:
    package["ModelPackageStatus"] = "InProgress"


def _finish(package: Description) -> None:
    """Resolve the images to digests; one that cannot be had fails the package."""
    scope = scope_of(package["ModelPackageArn"])
    scans = [scan for container in containers(package) if (scan := _scan(package, container, scope)) is not None]
    package["ModelPackageStatusDetails"]["ImageScanStatuses"] = scans
    package["ModelPackageStatus"] = "Failed" if scans else "Completed"


def _scan(package: Description, container: dict[str, Any], scope: Scope) -> Description | None:
    """What is wrong with a container's image; None if nothing is, and then its digest is resolved."""
    try:
        resolve_image(container, scope)
    except AwsError as error:
        name = package.get("ModelPackageGroupName") or package["ModelPackageName"]
        return {"Name": name, "Status": "Failed", "FailureReason": error.message}
    return None
