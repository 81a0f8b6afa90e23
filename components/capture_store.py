"""What production publishes: its captured traffic, in a bucket whose name readers know, announced on EventBridge."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.naming import Scope
from components.storage import Expiry, PrivateBucket, PrivateBucketArgs

CAPTURE_PREFIX = "capture"
GROUND_TRUTH_PREFIX = "ground-truth"
LABEL_JOINS_PREFIX = "label-joins"
"""Where the accuracy function keeps labels whose captured answer has not been delivered yet."""
CAPTURE_DAYS = 90


@dataclass(frozen=True)
class CaptureStoreArgs:
    scope: Scope


class CaptureStore(pulumi.ComponentResource):
    """The capture bucket (docs/seams.md names its keys). Nothing in it depends on who reads it."""

    bucket: pulumi.Output[str]

    def __init__(self, name: str, args: CaptureStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:capture_store:CaptureStore", name, None, opts)
        prefixes = (CAPTURE_PREFIX, GROUND_TRUTH_PREFIX, LABEL_JOINS_PREFIX)
        bucket = PrivateBucketArgs(
            bucket=args.scope.capture_bucket,
            versioned=False,
            expiries=[Expiry(f"{prefix}/", CAPTURE_DAYS) for prefix in prefixes],
            events=True,
        )
        self.bucket = PrivateBucket(name, bucket, pulumi.ResourceOptions(parent=self)).bucket
        self.register_outputs({"bucket": self.bucket})
