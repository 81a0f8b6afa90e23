"""IAM: what has to go before a role or a policy can, and exclusive attachments."""

from __future__ import annotations

from typing import Any

from sandbox.aws_provider.resource import Resource
from sandbox.aws_provider.table import Call

_VERSIONS = 5  # the most versions a managed policy keeps


class Role(Resource):
    """A role; `managedPolicyArns`, when given, is exclusive."""

    def _present(self) -> dict[str, Any]:
        if "managedPolicyArns" in self.inputs:
            wanted, present = set(self.inputs["managedPolicyArns"]), set(self._attached())
            for arn in sorted(wanted - present):
                self.call("AttachRolePolicy", {"RoleName": self.id, "PolicyArn": arn})
            for arn in sorted(present - wanted):
                self.call("DetachRolePolicy", {"RoleName": self.id, "PolicyArn": arn})
        return super()._present()

    def before_delete(self) -> None:
        profiles = self.call("ListInstanceProfilesForRole", {"RoleName": self.id}, pages=True)
        for profile in profiles.get("InstanceProfiles", []):
            request = {"RoleName": self.id, "InstanceProfileName": profile["InstanceProfileName"]}
            self.call("RemoveRoleFromInstanceProfile", request)
        force = self.inputs.get("forceDetachPolicies")
        if force or self.inputs.get("managedPolicyArns"):
            for arn in self._attached():
                self.call("DetachRolePolicy", {"RoleName": self.id, "PolicyArn": arn})
        if force:
            for name in self.call("ListRolePolicies", {"RoleName": self.id}, pages=True).get("PolicyNames", []):
                self.call("DeleteRolePolicy", {"RoleName": self.id, "PolicyName": name})

    def _attached(self) -> list[str]:
        answer = self.call("ListAttachedRolePolicies", {"RoleName": self.id}, pages=True)
        return [entry["PolicyArn"] for entry in answer.get("AttachedPolicies", [])]


class Policy(Resource):
    """A managed policy: updates are versions, of which AWS keeps five."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        if call.call == "CreatePolicyVersion":
            versions = self._versions()
            if len(versions) >= _VERSIONS:
                oldest = min((entry for entry in versions if not entry["IsDefaultVersion"]), key=_created)
                self.call("DeletePolicyVersion", {"PolicyArn": self.id, "VersionId": oldest["VersionId"]})
        return arguments

    def before_delete(self) -> None:
        for entry in self._versions():
            if not entry["IsDefaultVersion"]:
                self.call("DeletePolicyVersion", {"PolicyArn": self.id, "VersionId": entry["VersionId"]})

    def _versions(self) -> list[dict[str, Any]]:
        answer = self.call("ListPolicyVersions", {"PolicyArn": self.id}, pages=True)
        versions: list[dict[str, Any]] = answer.get("Versions", [])
        return versions


def _created(version: dict[str, Any]) -> Any:
    return version["CreateDate"]
