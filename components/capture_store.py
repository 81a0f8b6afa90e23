"""What production publishes: its captured traffic, in a bucket whose name readers know, announced on EventBridge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi

from components import policies
from components.naming import Scope
from components.storage import Expiry, PrivateBucket, PrivateBucketArgs

CAPTURE_PREFIX = "capture"
GROUND_TRUTH_PREFIX = "ground-truth"
LABEL_JOINS_PREFIX = "label-joins"
"""Where the accuracy function keeps labels whose captured answer has not been delivered yet."""
CAPTURE_DAYS = 90


@dataclass(frozen=True)
class CaptureStoreArgs:
    """`grants`: what readers in other accounts are allowed, statements of the bucket's policy."""

    scope: Scope
    grants: Sequence[policies.Statement] = field(default_factory=tuple)


class CaptureStore(pulumi.ComponentResource):
    """The capture bucket (docs/seams.md names its keys)."""

    bucket: pulumi.Output[str]

    def __init__(self, name: str, args: CaptureStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("understudy:capture_store:CaptureStore", name, None, opts)
        prefixes = (CAPTURE_PREFIX, GROUND_TRUTH_PREFIX, LABEL_JOINS_PREFIX)
        bucket = PrivateBucketArgs(
            bucket=args.scope.capture_bucket,
            versioned=False,
            expiries=[Expiry(f"{prefix}/", CAPTURE_DAYS) for prefix in prefixes],
            events=True,
            grants=args.grants,
        )
        self.bucket = PrivateBucket(name, bucket, pulumi.ResourceOptions(parent=self)).bucket
        self.register_outputs({"bucket": self.bucket})
