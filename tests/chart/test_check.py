"""The chart installs exactly the objects that `dind-webhook check` expects."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from helm import NAMESPACE, RELEASE, WEBHOOK_SCENARIOS, render

from dind_webhook.diagnostics import CHECKS as ALL
from dind_webhook.diagnostics import Category, Status, run_checks
from dind_webhook.diagnostics.collect.installation import default_policy, policy_of
from dind_webhook.diagnostics.snapshot import Snapshot

CHECKS = [check for check in ALL if check.category is Category.CONFIGURATION]


def of_kind(objects: tuple[dict[str, Any], ...], kind: str) -> tuple[dict[str, Any], ...]:
    return tuple(o for o in objects if o["kind"] == kind)


def installed(objects: tuple[dict[str, Any], ...]) -> Snapshot:
    """Return the snapshot of a cluster that has these objects."""
    configurations = of_kind(objects, "MutatingWebhookConfiguration")
    return Snapshot(
        taken_at=datetime.now(UTC),
        injection_policy=default_policy(),
        configurations=configurations,
        configuration=configurations[0],
        admission_policies=of_kind(objects, "ValidatingAdmissionPolicy"),
        policy_bindings=of_kind(objects, "ValidatingAdmissionPolicyBinding"),
    )


@pytest.mark.parametrize("scenario", WEBHOOK_SCENARIOS, ids=lambda path: path.stem)
def test_the_webhook_configuration_of_every_scenario_passes(scenario: Any) -> None:
    snapshot = installed(render(scenario.read_text("utf-8")))
    findings = {result.check.name: result.findings for result in run_checks(CHECKS, snapshot) if result.findings}
    assert findings == {}
    assert all(result.status is Status.PASSED for result in run_checks(CHECKS, snapshot))


@pytest.mark.parametrize("scenario", WEBHOOK_SCENARIOS, ids=lambda path: path.stem)
def test_the_settings_of_every_scenario_are_found(scenario: Any) -> None:
    values = scenario.read_text("utf-8")
    objects = render(values)
    maps = [o for o in of_kind(objects, "ConfigMap") if o["metadata"]["namespace"] == NAMESPACE]
    policy = policy_of(maps)
    assert policy is not None
    own = (yaml.safe_load(values) or {}).get("daemonset", {}).get("hostPath")
    assert policy.host_path == (own or f"/var/run/dind/{NAMESPACE}-{RELEASE}")
