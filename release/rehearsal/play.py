"""The play: the life of `tumor_triage` from an empty cloud to a shadow variant, with `diabetes_progression` beside it.

Each act (`release.rehearsal.acts`) is what a scientist, an approver or CI would type, and what must then be true. This
module holds what the acts share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from release.rehearsal.service import Service, wait_until
from release.rehearsal.stage import PRODUCTION, Outcome, Stage
from release.rehearsal.steps import Steps

PAIRS = 500
"""Paired requests that evidence needs at least."""


class Play:
    """Stage, steps and the two services; `outputs` are shadow's from act 0 on."""

    def __init__(self, stage: Stage, steps: Steps) -> None:
        self.stage = stage
        self.steps = steps
        self.tumor = Service(stage, "tumor_triage", rate=18)
        self.diabetes = Service(stage, "diabetes_progression", rate=10)
        self.services = (self.tumor, self.diabetes)
        self.outputs: dict[str, Any] = {}

    @property
    def region(self) -> str:
        return self.stage.environment("ci")["AWS_REGION"]

    def close(self) -> None:
        """Stop the clients, whatever happened."""
        for service in self.services:
            if service.traffic is not None:
                service.traffic.stop()

    @contextmanager
    def meanwhile(self, *others: Callable[[], None]) -> Iterator[None]:
        """Other people do `others` while the block runs; ends when all have, and raises what one of them raised."""
        with ThreadPoolExecutor(max_workers=len(others), thread_name_prefix="meanwhile") as pool:
            doing = [pool.submit(other) for other in others]
            yield
            for other in doing:
                other.result()

    def train(self, version: str, *services: Service) -> list[tuple[Service, dict[str, Any]]]:
        """Their owners train that version at the same time; (service, lock file's content) of each."""
        with ThreadPoolExecutor(max_workers=len(services), thread_name_prefix="train") as pool:
            locks = list(pool.map(lambda service: service.train(version), services))
        return list(zip(services, locks, strict=True))

    def stack_outputs(self, stack: str) -> dict[str, Any]:
        outputs: dict[str, Any] = self.stage.pulumi("stack", "output", "--json", "--stack", stack, role="ci").json()
        return outputs

    def deploy(self, version: str, title: str, *services: Service) -> None:
        """Bring that version of the services to shadow: a step of its own."""
        names = [service.use_case for service in services]
        with self.steps.step(
            f"{title} ({version})", "one package version each, PendingManualApproval; shadow endpoints answer"
        ) as step:
            self.stage.understudy("deploy", *names, "--stack", "shadow", "--yes", role="scientist")
            outputs = self.stack_outputs("shadow")["services"]
            for service in services:
                registered = service.versions[version]
                registered.package = outputs[service.name]["modelPackageArn"]
                status = service.package(registered.package)["ModelApprovalStatus"]
                right, given = service.answers_in_shadow(registered)
                step.see(
                    status == "PendingManualApproval" and right,
                    f"{short(registered.package)} {status}, shadow answers {given}",
                )

    def compare(self, service: Service) -> dict[str, Any]:
        evidence: dict[str, Any] = self.stage.understudy("compare", service.name, "--json", role="ci").json()
        return evidence

    def approve(self, service: Service, *arguments: str) -> None:
        self.stage.understudy("approve", service.name, *arguments, "--yes", role="approver")

    def promote(self, service: Service, version: str, *, check: bool = True) -> Outcome:
        arn = service.versions[version].package
        arguments = ("promote", service.name, arn, "--stack", "prod", "--push", "--yes")
        return self.stage.understudy(*arguments, role=PRODUCTION, check=check)

    def replay(self, service: Service, running: str) -> None:
        """Enough of what the version in production answered goes to shadow."""
        service.clients.wait_for(running, PAIRS + 20, 60)
        self.stage.understudy("replay", service.name, "--limit", str(PAIRS + 50), "--wait", role="ci")

    def builds_ended(self) -> None:
        """Wait until no rollback build is under way: an alarm may start one, and it holds production's stack."""
        client = self.stage.client("codebuild", PRODUCTION)

        def none_runs() -> bool:
            builds = client.list_builds()["ids"]
            running = client.batch_get_builds(ids=builds)["builds"] if builds else []
            return all(build["buildComplete"] for build in running)

        wait_until("the end of the rollback builds", none_runs, 60)

    def final(self) -> dict[str, Any]:
        """What production runs, what is committed, what is quarantined, for each service."""
        return {
            service.name: {
                "prod_package": service.running_package("prod"),
                "config_package": service.config_package("prod"),
                "quarantined": service.quarantined(),
            }
            for service in self.services
        }


def short(arn: str) -> str:
    """`group/version` of a model package ARN."""
    return "/".join(arn.rsplit("/", 2)[1:])


def shows_change(preview: str, old: str, new: str) -> bool:
    """Whether a preview shows the package change as a property's, `"…/6" => "…/7"`."""
    before, after = (re.escape("/" + arn.rsplit("/", 1)[1]) for arn in (old, new))
    return re.search(rf'modelPackage\w*\s*: "[^"]*{before}"\s*=> "[^"]*{after}"', preview) is not None


def changes(preview: str) -> str:
    """The lines of a preview that announce a change."""
    return "\n".join(line for line in preview.splitlines() if line.lstrip().startswith(("+", "-", "~")))
