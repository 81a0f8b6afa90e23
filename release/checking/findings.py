"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["error", "warning", "inconclusive"]


@dataclass(frozen=True)
class Finding:
    """One line: where (file and line, or request), what is wrong, what to do.

    `error`: a deployment would fail or be useless. `warning`: it may. `inconclusive`: this machine cannot tell.
    """

    level: Level
    where: str
    what: str
    do: str = ""

    def __str__(self) -> str:
        return f"{self.level:<12} {self.where}: {self.what}" + (f"; {self.do}" if self.do else "")


@dataclass
class Report:
    """All findings about a use case, and what was measured on the way."""

    use_case: str
    findings: list[Finding] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Literal["passed", "failed", "inconclusive"]:
        """`failed` with an error, `inconclusive` where this machine could not tell, which is never a pass."""
        levels = {finding.level for finding in self.findings}
        if "error" in levels:
            return "failed"
        return "inconclusive" if "inconclusive" in levels else "passed"

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        findings = [asdict(finding) for finding in self.findings]
        return {"use_case": self.use_case, "verdict": self.verdict, "findings": findings, **self.measured}
