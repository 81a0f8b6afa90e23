"""ComponentResources: what an environment is made of. No boto3 and no rules of a release."""

from typing import Any, TypeAlias

Block: TypeAlias = Any
"""A nested block of an AWS resource as pulumi_aws takes it: a dict or a list of dicts with snake_case keys.

pulumi_aws types blocks as TypedDicts that a function's dict never matches; the tests check what reaches the engine.
"""
