"""Small peculiarities of CloudWatch Logs, SSM, CodeBuild and SageMaker."""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.aws_provider.resource import Resource
from sandbox.aws_provider.table import Call


class LogGroup(Resource):
    """The ARN of a log group goes without the trailing `:*`; no retention is 0."""

    def answer(self, found: dict[str, Any]) -> dict[str, Any]:
        return {
            **found,
            "arn": str(found["arn"]).removesuffix(":*"),
            "retentionInDays": found.get("retentionInDays", 0),
        }


class Parameter(Resource):
    """A parameter's text is `value` or `insecureValue`; Overwrite is false on create, true afterwards."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        if call.call == "PutParameter":
            if "insecureValue" in self.inputs:
                arguments["Value"] = str(self.inputs["insecureValue"])
            if call in self.spec.create and self.inputs.get("overwrite"):
                arguments["Overwrite"] = True
                arguments.pop("Tags", None)  # AWS refuses tags with Overwrite
        return arguments

    def _await_ready(self) -> None:
        if not self.state and self.inputs.get("overwrite") and self.inputs.get("tagsAll"):
            self._retag({}, self.inputs["tagsAll"])

    def answer(self, found: dict[str, Any]) -> dict[str, Any]:
        if "insecureValue" in self.inputs:
            return {**found, "insecureValue": found.get("value")}
        return found


class Project(Resource):
    """A build project: AWS answers a deleted one with an empty list, and takes tags only with the whole project."""

    def _retag(self, old: Any, new: Any) -> None:
        """Tags went with UpdateProject when anything else changed too; this sends them for themselves."""
        tags = [{"key": key, "value": text} for key, text in new.items()]
        self.call("UpdateProject", {"name": self.look("name"), "tags": tags})


class EndpointConfiguration(Resource):
    """A variant without a name gets one from the provider, as in the real plugin."""

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        for kind in ("ProductionVariants", "ShadowProductionVariants"):
            for variant in arguments.get(kind, []):
                variant.setdefault("VariantName", f"terraform-{secrets.token_hex(13)}")
        return arguments
