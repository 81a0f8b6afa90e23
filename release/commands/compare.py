"""`understudy compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from release.commands.options import Json, Production, Service, ShadowStack

if TYPE_CHECKING:
    from rich.console import Console

    from release.evidence_document import Estimate, Evidence


def compare(
    service: Service, stack: ShadowStack = "shadow", production: Production = "prod", as_json: Json = False
) -> None:
    """Judge the candidate under trial by what was replayed, and store the evidence.

    Pairs of answers to the same requests: agreement, errors, latency, and quality where labels have arrived, by the
    rules of package.yaml. Only requests that production's present version answered count. Without a version in
    production the candidate is judged by absolute rules on held-out rows (baseline none). Exit 0 pass, 3 fail,
    4 inconclusive.

        understudy compare tumor-triage

    Next: somebody else runs understudy approve SERVICE
    """
    from release.comparing import compare as run
    from release.console import Output
    from release.errors import ExitCode
    from release.workspace import Project

    output = Output(as_json=as_json)
    evidence, uri = run(Project.open(), service, shadow=stack, production=production, output=output)
    output.result(evidence.document() | {"uri": uri}, lambda console: _show(console, evidence, uri))
    codes = {"pass": ExitCode.OK, "fail": ExitCode.REFUSED, "inconclusive": ExitCode.INCONCLUSIVE}
    raise typer.Exit(codes[evidence.verdict])


def _show(console: Console, evidence: Evidence, uri: str) -> None:
    from release.console import table

    counts, latency, quality = evidence.counts, evidence.latency, evidence.quality
    rows: list[list[Any]] = [
        ["baseline", evidence.baseline],
        ["records / pairs / distinct requests", f"{counts.records} / {counts.pairs} / {counts.distinct_requests}"],
        ["matches / mismatches", f"{counts.matches} / {counts.mismatches}"],
        ["shadow errors / not comparable", f"{counts.shadow_errors} / {counts.not_comparable}"],
        ["agreement", _share(evidence.agreement)],
        ["error rate", _share(evidence.error_rate)],
        [f"latency ratio ({latency.basis})", _figure(latency.ratio)],
        ["quality, candidate", _share(quality.candidate) if quality else None],
        ["quality, production", _share(quality.production) if quality else None],
        ["labelled rows", counts.labelled],
    ]
    console.print(table(f"Evidence for {evidence.service}, candidate {evidence.candidate_digest[:12]}", ["", ""], rows))
    console.print(
        table("Rules", ["rule", "outcome", "why"], [[f.rule, f.outcome, f.reason] for f in evidence.findings])
    )
    console.print(f"Verdict: {evidence.verdict}", markup=False)
    for reason in evidence.reasons:
        console.print(f"  {reason}", markup=False)
    console.print(f"Evidence {evidence.digest}\n{uri}", markup=False)


def _share(estimate: Estimate | None) -> str | None:
    if estimate is None:
        return None
    return f"{estimate.estimate:.2%}" + _interval(estimate, "{:.2%}")


def _figure(estimate: Estimate | None) -> str | None:
    return None if estimate is None else f"{estimate.estimate:.3f}" + _interval(estimate, "{:.3f}")


def _interval(estimate: Estimate, form: str) -> str:
    low, high = ("…" if bound is None else form.format(bound) for bound in (estimate.low, estimate.high))
    return f" ({low} to {high})"
