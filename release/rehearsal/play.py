"""The play: the life of `tumor_triage` from an empty cloud to a shadow variant, with `diabetes_progression` beside it.

Each act is what a scientist, an approver or CI would type, and what must then be true.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from release.errors import ExitCode
from release.rehearsal.data import shuffled_labels
from release.rehearsal.service import Service, as_text, stack_file, wait_until
from release.rehearsal.stage import Outcome, Stage
from release.rehearsal.steps import Steps
from release.rehearsal.traffic import CRASH

PASSPHRASE_PARAMETER = "/understudy/rehearsal/passphrase"  # noqa: S105 (a parameter's name)
PAIRS = 500
SMOOTH = {"strategy": "canary", "canaryPercent": 30, "waitSeconds": 600, "bakeSeconds": 300}
# The sandbox shares a few cores with everything else here: a rehearsal is no place to judge milliseconds.
MAXIMUM_LATENCY_RATIO = 5
ALARMS = {
    "latencyP99Milliseconds": 5000,
    "errorRatePercent": 2,
}
ACCURACY = {"evaluationPeriods": 5, "minimumLabels": 15}


class Play:
    """The acts, in order; each builds on the one before."""

    def __init__(self, stage: Stage, steps: Steps) -> None:
        self.stage = stage
        self.steps = steps
        self.tumor = Service(stage, "tumor_triage", rate=24)
        self.diabetes = Service(stage, "diabetes_progression", rate=16)
        self.services = (self.tumor, self.diabetes)
        self.outputs: dict[str, Any] = {}

    def acts(self) -> tuple[Callable[[], None], ...]:
        return (
            self.installation,
            self.first_version,
            self.first_promotion,
            self.second_version,
            self.bad_version,
            self.crashing_version,
            self.single_service_stack,
            self.shadow_variant,
            self.curtain,
        )

    def close(self) -> None:
        """Stop the clients, whatever happened."""
        for service in self.services:
            if hasattr(service, "traffic"):
                service.traffic.stop()

    # --- act 0

    def installation(self) -> None:
        with self.steps.step(
            "0 New installation", "registry, training bucket and roles are there; both use cases named and skipped"
        ) as step:
            self._write_stack_files()
            for service in self.services:
                service.limit(maximumLatencyRatio=MAXIMUM_LATENCY_RATIO)
            self.stage.commit("Configure the rehearsal")
            for stack in ("shadow", "prod"):
                self.stage.pulumi("stack", "init", stack, role="ci")
            self.stage.understudy("deploy", "--stack", "shadow", "--yes", role="scientist")
            self.outputs = self._outputs("shadow")
            skipped = sorted(self.outputs["skipped"])
            wanted = ("artifactBucket", "trainingBucket", "trainingRoleArn")
            made = [key for key in wanted if self.outputs.get(key)]
            step.see(
                skipped == sorted(s.name for s in self.services) and len(made) == 3,
                f"made {', '.join(made)}; skipped {', '.join(skipped)}",
            )

    def _write_stack_files(self) -> None:
        ssm = self.stage.session("ci").client("ssm")
        ssm.put_parameter(Name=PASSPHRASE_PARAMETER, Value=self.stage.passphrase, Type="SecureString")

        def shadow(config: dict[str, Any]) -> None:
            config.clear()
            config["aws:region"] = self.stage.environment("ci")["AWS_REGION"]
            config["understudy:environment"] = "shadow"
            config["understudy:services"] = {
                service.name: {"useCase": service.use_case, "initialInstanceCount": 1} for service in self.services
            }

        def prod(config: dict[str, Any]) -> None:
            config.clear()
            config["aws:region"] = self.stage.environment("ci")["AWS_REGION"]
            config["understudy:environment"] = "prod"
            config["understudy:delivery"] = {
                "repositoryUrl": f"file://{self.stage.origin}",
                "branch": "main",
                "backendUrl": f"file://{self.stage.state}",
                "passphraseParameter": PASSPHRASE_PARAMETER,
            }
            config["understudy:services"] = {
                service.name: {
                    "initialInstanceCount": 4,
                    "capture": {"samplingPercent": 100},
                    "rollout": {**SMOOTH, "rollback": "automatic"},
                    "alarms": {**ALARMS, "predictionAccuracy": {**ACCURACY, "threshold": threshold}},
                }
                for service, threshold in ((self.tumor, 0.8), (self.diabetes, 0.3))
            }

        stack_file(self.stage, "shadow", shadow)
        stack_file(self.stage, "prod", prod)

    # --- act 1 and 2

    def first_version(self) -> None:
        with self.steps.step("1 Train v1", "two training jobs run; model files in S3, lock files committed") as step:
            for service in self.services:
                service.upload(self.outputs["trainingBucket"], "train", service.data.train)
                service.upload(self.outputs["trainingBucket"], "holdout", service.data.holdout)
            for service in self.services:
                lock = service.train("v1")
                step.see(
                    self._committed(service),
                    f"{service.name}: job {lock['trainingJob']}, {as_text(lock['metrics'])}",
                )
        self._deploy("v1", "2 Package, register, deploy to shadow", *self.services)

    def _committed(self, service: Service) -> bool:
        status = self.stage.git("status", "--porcelain", "--", f"use_cases/{service.use_case}")
        return not status.strip()

    def _deploy(self, version: str, title: str, *services: Service) -> None:
        names = [service.use_case for service in services]
        with self.steps.step(
            f"{title} ({version})", "one package version each, PendingManualApproval; shadow endpoints answer"
        ) as step:
            self.stage.understudy("deploy", *names, "--stack", "shadow", "--yes", role="scientist")
            outputs = self._outputs("shadow")["services"]
            for service in services:
                arn = outputs[service.name]["modelPackageArn"]
                service.versions[version].package = arn
                described = service.package(arn)
                status = described["ModelApprovalStatus"]
                runtime = self.stage.session("ci").client("sagemaker-runtime")
                row = service.data.rows()[0]
                given = runtime.invoke_endpoint(
                    EndpointName=outputs[service.name]["endpointName"],
                    ContentType="text/csv",
                    Accept="text/csv",
                    Body=row.body,
                )["Body"].read()
                expected = ",".join(str(value) for value in _values(service.versions[version].answers[0]))
                step.see(
                    status == "PendingManualApproval" and _close(given.decode(), expected),
                    f"{short(arn)} {status}, shadow answers {given.decode().strip()}",
                )

    # --- act 3

    def first_promotion(self) -> None:
        for service in self.services:
            with self.steps.step(
                f"3 First promotion of {service.name}", "evidence without baseline passes; its author may not approve"
            ) as step:
                evidence = self._compare(service)
                step.see(
                    evidence["verdict"] == "pass" and evidence["baseline"] == "none",
                    f"evidence {evidence['verdict']}, baseline {evidence['baseline']}",
                )
                own = self.stage.understudy("approve", service.name, "--yes", role="scientist", check=False)
                step.see(own.code == ExitCode.REFUSED, f"self-approval refused (exit {own.code})")
                self._approve(service)
                self._promote(service, "v1")
                arn = service.versions["v1"].package
                step.see(service.running_package("prod") == arn, f"production runs {short(arn)}")
            service.open_traffic(self._outputs("prod")["captureBucket"], "v1")
        with self.steps.step("3 Replay is switched on", "shadow reads production's capture") as step:
            bucket = self._outputs("prod")["captureBucket"]

            def source(config: dict[str, Any]) -> None:
                for entry in config["understudy:services"].values():
                    entry["replay"] = {"source": bucket, "trafficPercent": 100, "maxRequestsPerSecond": 100}

            stack_file(self.stage, "shadow", source)
            self.stage.commit("Replay production's traffic to shadow")
            self.stage.understudy("deploy", "--stack", "shadow", "--yes", role="scientist")
            queues = [entry.get("replayQueueUrl") for entry in self._outputs("shadow")["services"].values()]
            step.see(all(queues), f"{len(queues)} replay queues")

    # --- act 4

    def second_version(self) -> None:
        with self.steps.step("4 Train v2", "better hyperparameters, trained and committed") as step:
            self.tumor.tune(max_depth=4, num_round=120, eta=0.15)
            self.diabetes.tune(max_depth=3, num_round=90, eta=0.06)
            self.stage.commit("Tune both models")
            for service in self.services:
                lock = service.train("v2")
                step.see(self._committed(service), f"{service.name}: {as_text(lock['metrics'])}")
        self._deploy("v2", "4 Package, register, deploy to shadow", *self.services)
        for service in self.services:
            with self.steps.step(
                f"4 Evidence for {service.name} v2", f"at least {PAIRS} production requests replayed, evidence passes"
            ) as step:
                self._replay(service, "v1", PAIRS)
                evidence = self._compare(service)
                pairs = evidence["counts"]["pairs"]
                step.see(
                    evidence["verdict"] == "pass" and pairs >= PAIRS,
                    f"{pairs} pairs, agreement {evidence['agreement']['estimate']:.3f}, verdict {evidence['verdict']}",
                )
                self._approve(service)
            with self.steps.step(
                f"4 Promote {service.name} v2",
                "the preview shows the package change and no other service; canary, bake, v2 live; v1 stays readable",
            ) as step:
                old, new = service.versions["v1"].package, service.versions["v2"].package
                service.live("v1", "v2")
                promoted = self._promote(service, "v2")
                service.live("v2")
                step.see(
                    old.rsplit("/", 1)[1] in promoted.stdout and new in promoted.stdout,
                    f"preview: {old.rsplit('/', 1)[1]} => {new.rsplit('/', 1)[1]}",
                )
                others = [s.name for s in self.services if s is not service]
                changed = [name for name in others if f"{name}-" in _changes(promoted.stdout)]
                step.see(not changed, "nothing of another service in the preview" if not changed else f"also {changed}")
                step.see(service.running_package("prod") == new, f"production runs {short(new)}")
                readable = [service.artifact_readable(arn) for arn in (old, new)]
                step.see(all(readable), "both artifacts readable")

    # --- act 5

    def bad_version(self) -> None:
        tumor = self.tumor
        good = tumor.versions["v2"].package
        with self.steps.step("5 Train v3 on shuffled labels", "it trains and serves without complaint") as step:
            uri = tumor.upload(self.outputs["trainingBucket"], "shuffled", shuffled_labels(tumor.data.train))
            lock = tumor.train("v3", "--data", uri)
            step.see(self._committed(tumor), as_text(lock["metrics"]))
        self._deploy("v3", "5 Package, register, deploy to shadow", tumor)
        with self.steps.step("5 Evidence refuses v3", "fail, with numbers; no approval without override") as step:
            self._replay(tumor, "v2", PAIRS)
            compared = self.stage.understudy("compare", tumor.name, "--json", role="ci", check=False)
            evidence = compared.json()
            step.see(
                compared.code == ExitCode.REFUSED and evidence["verdict"] == "fail",
                f"{evidence['verdict']}: {evidence['reasons'][0]}",
            )
            refused = self.stage.understudy("approve", tumor.name, "--yes", role="approver", check=False)
            step.see(refused.code == ExitCode.REFUSED, f"approval refused (exit {refused.code})")
            self._approve(tumor, "--override", "Rehearsal: the alarm must catch what a person waved through")
            recorded = tumor.package(tumor.versions["v3"].package)["CustomerMetadataProperties"]
            step.see("alarm must catch" in recorded["understudy.override_reason"], "override recorded")
        with self.steps.step("5 Promote v3 all the same", "fast and answering 200, so no guardrail stops it") as step:
            tumor.live("v2", "v3")
            self._promote(tumor, "v3")
            bad = tumor.versions["v3"].package
            step.see(True, f"promoted {short(bad)}")
        with self.steps.step(
            "5 Production comes back by itself",
            "accuracy alarm → topic → function → build: v2 runs and is committed, v3 is quarantined",
        ) as step:
            seconds = wait_until("the automatic rollback", lambda: self._rolled_back(good, bad), 90)
            tumor.live("v2")
            step.see(True, f"{short(good)} runs again after {seconds:.0f} s, {short(bad)} quarantined")
            wait_until("the build's push", lambda: self._pulled_package(tumor) == good, 30)
            step.see(True, f"pulled configuration says {short(good)}")
        with self.steps.step("5 A further up", "changes nothing") as step:
            self._unlocked("prod")
            again = self.stage.pulumi(
                "up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "prod", role="ci", check=False
            )
            step.see(again.code == 0, "no changes" if again.code == 0 else again.tail)

    def _rolled_back(self, good: str, bad: str) -> bool:
        return self.tumor.running_package("prod") == good and bad in self.tumor.quarantined()

    def _pulled_package(self, service: Service) -> str:
        self.stage.pull()
        return service.config_package("prod")

    # --- act 6

    def crashing_version(self) -> None:
        tumor = self.tumor
        good = tumor.versions["v2"].package
        with self.steps.step("6 Train v4, whose code crashes on some rows", "the sample request still works") as step:
            code = tumor.folder / "inference.py"
            sound = code.read_text()
            code.write_text(sound + CRASH_ON_SOME_ROWS)
            self.stage.commit("Refuse implausible radii")
            lock = tumor.train("v4")
            given = tumor.versions["v4"].answers
            crashing = sum(answer == CRASH for answer in given)
            step.see(
                0 < crashing < len(given), f"{crashing} of {len(given)} held-out rows crash; {as_text(lock['metrics'])}"
            )
        self._deploy("v4", "6 Package, register, deploy to shadow", tumor)
        with self.steps.step(
            "6 The guardrail stops v4", "the up fails saying why; production never left v2; configuration goes back"
        ) as step:
            self._approve(tumor, "--override", "Rehearsal: the guardrail must stop this one")
            before = (self.stage.work / "Pulumi.prod.yaml").read_text()
            tumor.live("v2", "v4")
            failed = self.stage.understudy(
                "promote", tumor.name, "--stack", "prod", "--push", "--yes", role="ci", check=False
            )
            tumor.live("v2")
            said = (failed.stdout + failed.stderr).splitlines()
            why = next((line.strip() for line in said if "rolled back" in line), "")
            step.see(failed.code == ExitCode.FAILED and bool(why), f"exit {failed.code}: {why or failed.tail}")
            step.see(tumor.running_package("prod") == good, f"production runs {short(good)}")
            after = (self.stage.work / "Pulumi.prod.yaml").read_text()
            step.see(after == before, "configuration as before" if after == before else "configuration differs")
            crashed = tumor.traffic.tally.canary_failures
            step.see(crashed > 0, f"{crashed} requests crashed in the canary")
        code.write_text(sound)
        self.stage.commit("Accept all radii again")

    # --- act 8 (7 is the second service, beside all of the above)

    def single_service_stack(self) -> None:
        arn = self.tumor.versions["v2"].package
        with self.steps.step(
            "8 A stack with one service", "`pulumi config set modelPackageArn` and `pulumi up` are enough"
        ) as step:
            region = self.stage.environment("ci")["AWS_REGION"]

            def solo(config: dict[str, Any]) -> None:
                config |= {
                    "aws:region": region,
                    "understudy:environment": "solo",
                    "understudy:useCase": "tumor_triage",
                    "understudy:initialInstanceCount": 2,
                    "understudy:rollout": {"strategy": "allAtOnce", "bakeSeconds": 0, "rollback": "manual"},
                }

            stack_file(self.stage, "solo", solo)
            self.stage.pulumi("stack", "init", "solo", role="ci")
            self.stage.pulumi("config", "set", "modelPackageArn", arn, "--stack", "solo", role="ci")
            self.stage.pulumi("up", "--yes", "--skip-preview", "--stack", "solo", role="ci")
            step.see(self.tumor.running_package("solo") == arn, f"{self.tumor.endpoint('solo')} runs {short(arn)}")

    def shadow_variant(self) -> None:
        tumor = self.tumor
        tumor.tune(max_depth=2)
        self.stage.commit("Try shallower trees")
        with self.steps.step("8 Train v5", "a candidate for the shadow variant") as step:
            step.see(bool(tumor.train("v5")), "trained")
        self._deploy("v5", "8 Package, register, deploy to shadow", tumor)

        def set_variant(entry: dict[str, Any] | None) -> Outcome:
            def change(config: dict[str, Any]) -> None:
                service = config["understudy:services"][tumor.name]
                service.pop("shadowVariant", None)
                if entry is not None:
                    service["shadowVariant"] = entry

            stack_file(self.stage, "prod", change)
            self.stage.commit("Change tumor-triage's shadow variant")
            return self.stage.pulumi("up", "--yes", "--skip-preview", "--stack", "prod", role="ci")

        with self.steps.step(
            "8 Shadow variant at 50%", "v5 gets half of production's requests, answers nobody; metrics side by side"
        ) as step:
            set_variant({"useCase": "tumor_triage", "percent": 50})
            before = self._invocations(tumor)
            production, shadow = self._side_by_side(tumor, before, requests=60)
            share = shadow / production
            step.see(0.3 < share < 0.7, f"production {production:.0f}, shadow {shadow:.0f} invocations ({share:.0%})")
        with self.steps.step("8 Shadow variant removed", "production runs v2 alone") as step:
            set_variant(None)
            client = self.stage.session("ci").client("sagemaker")
            described = client.describe_endpoint(EndpointName=tumor.endpoint("prod"))
            step.see(not described.get("ShadowProductionVariants"), "no shadow variant")
            arn = tumor.versions["v2"].package
            step.see(tumor.running_package("prod") == arn, f"production runs {short(arn)}")

    def _side_by_side(self, service: Service, before: tuple[float, float], requests: int) -> tuple[float, float]:
        seen: list[tuple[float, float]] = []

        def enough() -> bool:
            now = self._invocations(service)
            seen.append((now[0] - before[0], now[1] - before[1]))
            return seen[-1][0] >= requests and seen[-1][1] > 0

        wait_until("traffic on both variants", enough, 30)
        return seen[-1]

    def _invocations(self, service: Service) -> tuple[float, float]:
        """Invocations of the production and the shadow variant so far, from CloudWatch."""
        client = self.stage.session("ci").client("cloudwatch")

        def total(variant: str) -> float:
            points = client.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName="Invocations",
                Dimensions=[
                    {"Name": "EndpointName", "Value": service.endpoint("prod")},
                    {"Name": "VariantName", "Value": variant},
                ],
                StartTime=datetime.now(UTC) - timedelta(hours=1),
                EndTime=datetime.now(UTC) + timedelta(minutes=1),
                Period=60,
                Statistics=["Sum"],
            )["Datapoints"]
            return float(sum(point["Sum"] for point in points))

        return total("ProductionVariant"), total("ShadowVariant")

    def curtain(self) -> None:
        with self.steps.step("9 The clients", "at least 1,000 requests, none failed") as step:
            for service in self.services:
                service.traffic.stop()
            requests = sum(service.traffic.tally.requests for service in self.services)
            failures = sum(len(service.traffic.tally.failures) for service in self.services)
            step.see(requests >= 1000 and failures == 0, f"{requests} requests, {failures} failed")

    # --- what the acts share

    def _outputs(self, stack: str) -> dict[str, Any]:
        outputs: dict[str, Any] = self.stage.pulumi("stack", "output", "--json", "--stack", stack, role="ci").json()
        return outputs

    def _compare(self, service: Service) -> dict[str, Any]:
        evidence: dict[str, Any] = self.stage.understudy("compare", service.name, "--json", role="ci").json()
        return evidence

    def _approve(self, service: Service, *arguments: str) -> None:
        self.stage.understudy("approve", service.name, *arguments, "--yes", role="approver")

    def _promote(self, service: Service, version: str) -> Outcome:
        arn = service.versions[version].package
        return self.stage.understudy("promote", service.name, arn, "--stack", "prod", "--push", "--yes", role="ci")

    def _replay(self, service: Service, running: str, pairs: int) -> None:
        """Enough of what the version in production answered goes to shadow."""
        service.traffic.wait_for(running, pairs + 50, 60)
        self.stage.understudy("replay", service.name, "--limit", str(pairs + 100), "--wait", role="ci")

    def _unlocked(self, stack: str) -> None:
        locks = self.stage.state / ".pulumi" / "locks" / "organization" / "understudy" / stack
        wait_until(f"the lock of {stack} being freed", lambda: not any(locks.glob("*.json")), 30)

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


CRASH_ON_SOME_ROWS = """

_sound_predict = predict_fn


def predict_fn(data, model):
    if (data[:, 0] > 15).any():
        raise ValueError("implausible radius")
    return _sound_predict(data, model)
"""


def short(arn: str) -> str:
    """`group/version` of a model package ARN."""
    return "/".join(arn.rsplit("/", 2)[1:])


def _values(answer: Any) -> list[float]:
    return list(answer.values())


def _close(given: str, expected: str) -> bool:
    pairs = zip(given.strip().split(","), expected.split(","), strict=True)
    return all(abs(float(a) - float(b)) < 1e-5 for a, b in pairs)


def _changes(preview: str) -> str:
    """The lines of a preview that announce a change."""
    return "\n".join(line for line in preview.splitlines() if line.lstrip().startswith(("+", "-", "~")))
