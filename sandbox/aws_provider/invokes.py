"""The provider's functions (`aws.get_caller_identity()` and its neighbours)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.aws_provider.errors import AwsError, ProviderError, UnknownTypeError
from sandbox.aws_provider.policy_document import document
from sandbox.aws_provider.session import Session
from sandbox.aws_provider.values import secret

Arguments = Mapping[str, Any]
Result = dict[str, Any]

_DESCRIPTIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "Europe (Ireland)",
    "eu-west-2": "Europe (London)",
    "eu-central-1": "Europe (Frankfurt)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
}
_WEBSITE_ZONES = {"us-east-1": "Z3AQBSTGFJSTF", "us-west-2": "Z3BJ6K6RIION7M", "eu-west-1": "Z1BKCTXD74EZPE"}


def invoke(token: str, session: Session, arguments: Arguments) -> Result:
    """The result of a function; raises UnknownTypeError for one the table does not have."""
    try:
        function = _FUNCTIONS[token]
    except KeyError:
        raise UnknownTypeError(f"function {token} is not served by the sandbox's provider") from None
    return function(session, arguments)


def _caller_identity(session: Session, arguments: Arguments) -> Result:
    identity = session.call("sts", "GetCallerIdentity", {})
    return {
        "accountId": identity["Account"],
        "arn": identity["Arn"],
        "userId": identity["UserId"],
        "id": identity["Account"],
    }


def _region(session: Session, arguments: Arguments) -> Result:
    region = arguments.get("region") or arguments.get("name") or session.region
    return {
        "region": region,
        "name": region,
        "id": region,
        "endpoint": f"ec2.{region}.{session.dns_suffix(region)}",
        "description": _DESCRIPTIONS.get(region, region),
    }


def _partition(session: Session, arguments: Arguments) -> Result:
    suffix = session.dns_suffix()
    partition = session.partition()
    reverse = ".".join(reversed(suffix.split(".")))
    return {"partition": partition, "dnsSuffix": suffix, "reverseDnsPrefix": reverse, "id": partition}


def _policy_document(session: Session, arguments: Arguments) -> Result:
    return document(arguments)


def _bucket(session: Session, arguments: Arguments) -> Result:
    name = arguments["bucket"]
    region = arguments.get("region") or session.region
    head = session.call("s3", "HeadBucket", {"Bucket": name}, region)
    real = head.get("BucketRegion") or region
    suffix = session.dns_suffix(real)
    result = {
        "arn": f"arn:{session.partition(real)}:s3:::{name}",
        "bucket": name,
        "bucketDomainName": f"{name}.s3.{suffix}",
        "bucketRegion": real,
        "bucketRegionalDomainName": f"{name}.s3.{real}.{suffix}",
        "hostedZoneId": _WEBSITE_ZONES.get(real, ""),
        "id": name,
        "region": region,
        "websiteDomain": "",
        "websiteEndpoint": "",
    }
    try:
        session.call("s3", "GetBucketWebsite", {"Bucket": name}, region)
    except AwsError as error:
        if not error.matches(("NoSuchWebsiteConfiguration",)):
            raise
    else:
        domain = f"s3-website.{real}.{suffix}"
        result |= {"websiteDomain": domain, "websiteEndpoint": f"{name}.{domain}"}
    return result


def _authorization_token(session: Session, arguments: Arguments) -> Result:
    region = arguments.get("region") or session.region
    registry = arguments.get("registryId")
    answer = session.call("ecr", "GetAuthorizationToken", {"registryIds": [registry]} if registry else {}, region)
    data = answer["authorizationData"][0]
    user, separator, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    if not separator:
        raise ProviderError("getAuthorizationToken: the token is not user:password")
    return {
        "authorizationToken": secret(data["authorizationToken"]),
        "userName": user,
        "password": secret(password),
        "proxyEndpoint": data["proxyEndpoint"],
        "expiresAt": data["expiresAt"].isoformat(),
        "id": region,
        "region": region,
        **({"registryId": registry} if registry else {}),
    }


_FUNCTIONS: dict[str, Callable[[Session, Arguments], Result]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "aws:s3/getBucket:getBucket": _bucket,
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": _authorization_token,
}
