"""The check of a use case, step by step: read, find a model, package, serve, ask, measure."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from model_package import artifacts, packaging
from model_package.errors import ArchiveRefused, ManifestInvalid, PackagingFailed
from model_package.manifest import Manifest, load_manifest
from release.checking import answers, model, serving, source, trial
from release.checking.findings import Finding, Report
from release.console import Output
from release.workspace import Project

WARM_REQUESTS = 5
TIMED_REQUESTS = 50
_MEGABYTE = 1_000_000
SAFE_FORMATS = "XGBoost's UBJ or JSON, safetensors (PyTorch) and skops (scikit-learn) hold data only"


def check(project: Project, use_case: str, given: Path | None, output: Output) -> Report:
    """Everything that is wrong with a use case. Raises UsageError (unknown), MissingError (no model to check with)."""
    folder = project.use_case(use_case)
    report = Report(use_case)
    try:
        manifest = load_manifest(folder)
    except ManifestInvalid as error:
        for line in str(error).splitlines():
            report.findings.append(Finding("error", "package.yaml", line.partition("package.yaml: ")[2] or line))
        return report
    report.findings += source.findings(folder, manifest)
    if report.verdict == "passed":
        with tempfile.TemporaryDirectory() as scratch:
            _run(project, folder, manifest, given, Path(scratch), report, output)
    return report


def _run(
    project: Project,
    folder: Path,
    manifest: Manifest,
    given: Path | None,
    scratch: Path,
    report: Report,
    output: Output,
) -> None:
    try:
        found = model.find(folder, manifest, given, scratch, project.root / artifacts.CACHE, output)
        artifact, unpacked = trial.unpack(folder, manifest, found, scratch)
    except model.TrainingFailed as error:
        report.findings.append(Finding("error", manifest.training.entry_point, str(error)))
        return
    except (PackagingFailed, ArchiveRefused) as error:
        report.findings.append(Finding("error", "package", str(error)))
        return
    report.findings += [Finding("warning", "package", pickle, SAFE_FORMATS) for pickle in artifact.pickles]
    report.measured |= {
        "model": {"source": found.source, "file": found.name, "metrics": found.metrics},
        "package": {"digest": artifact.digest, "size_bytes": artifact.size_bytes},
    }
    output.say("Serving the package and asking for the sample")
    try:
        with serving.serve(unpacked, packaging.environment(manifest)) as server:
            cold_start = server.await_healthy()
            report.measured["cold_start_seconds"] = round(cold_start, 2)
            report.findings += answers.findings(server, manifest)
            if report.verdict == "passed":
                report.measured["latency_milliseconds"] = _latency(server, manifest)
            report.findings += _memory(server, manifest, report)
    except serving.NotHealthy as error:
        report.findings.append(Finding("error", manifest.entry_point, str(error)))


def _latency(server: serving.Server, manifest: Manifest) -> dict[str, float]:
    """Of one client on this machine, one request at a time."""
    sample = manifest.sample
    taken = [
        server.ask(sample.body.encode(), sample.content_type, manifest.content_types[0]).milliseconds
        for _ in range(WARM_REQUESTS + TIMED_REQUESTS)
    ][WARM_REQUESTS:]
    return {"median": round(statistics.median(taken), 2), "slowest": round(max(taken), 2)}


def _memory(server: serving.Server, manifest: Manifest, report: Report) -> list[Finding]:
    """The serving process's peak beside what package.yaml allows it."""
    peak, allowed = server.peak_memory_bytes(), manifest.resources.memory_megabytes
    if peak is None:
        if allowed is None:
            return []
        return [Finding("inconclusive", "resources.memoryMegabytes", "this system does not tell a process's memory")]
    used = round(peak / _MEGABYTE)
    report.measured["memory_megabytes"] = used
    if allowed is None or used <= allowed:
        return []
    what = f"the server took {used} MB where {allowed} MB are allowed"
    return [Finding("error", "resources.memoryMegabytes", what, "allow more, or load less")]
