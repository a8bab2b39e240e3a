"""Each check passes in a healthy cluster, and reports the fault and its fix in a broken one."""

import copy
import re
from typing import Any

import pytest
from diagnostics.broken import BROKEN, configuration_with, set_to
from diagnostics.healthy import configuration, healthy, leaf, opted_in, pod, without_webhook

from dind_webhook.diagnostics import CHECKS, Check, Finding, Result, Snapshot, Status, run_checks
from dind_webhook.diagnostics.snapshot import ServerEndpoint


def results(snapshot: Snapshot) -> dict[str, Result]:
    return {result.check.name: result for result in run_checks(CHECKS, snapshot)}


def test_in_a_healthy_cluster_every_check_passes() -> None:
    assert [result for result in results(healthy()).values() if result.status is not Status.PASSED] == []


def test_without_a_webhook_its_checks_are_skipped_and_all_others_pass() -> None:
    found = results(without_webhook())
    of_webhook = {check.name for check in CHECKS if check.of_webhook}
    assert {name for name, result in found.items() if result.status is Status.SKIPPED} == of_webhook
    assert {found[name].skipped for name in of_webhook} == {"policies of the API server inject the pods"}
    assert {result.status for name, result in found.items() if name not in of_webhook} == {Status.PASSED}


def test_with_both_engines_the_webhook_is_checked_too() -> None:
    found = results(without_webhook(configuration=configuration()))
    assert found["entries"].status is found["injecting-policy-binding"].status is Status.PASSED
    assert found["service"].status is Status.FAILED


@pytest.mark.parametrize(("name", "snapshot", "sentence", "hint"), BROKEN, ids=lambda value: str(value)[:40])
def test_what_is_broken_is_named_with_a_hint(name: str, snapshot: Snapshot, sentence: str, hint: str) -> None:
    result = results(snapshot)[name]
    assert result.status is (Status.FAILED if result.check.fatal else Status.WARNING)
    assert sentence in result.findings[0].sentence
    assert hint in result.findings[0].hint


def test_every_check_is_broken_by_a_test() -> None:
    assert {name for name, *_ in BROKEN} == {check.name for check in CHECKS}


@pytest.mark.parametrize(("name", "snapshot", "sentence", "hint"), BROKEN, ids=lambda value: str(value)[:40])
def test_no_blank_of_a_hint_stays_empty(name: str, snapshot: Snapshot, sentence: str, hint: str) -> None:
    del name, sentence, hint
    for result in results(snapshot).values():
        assert [finding.hint for finding in result.findings if re.search(r"\{\w+\}", finding.hint)] == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_is_found_by_its_name(check: Check) -> None:
    assert check.find_problems.__name__ == "check_" + check.name.replace("-", "_")


class _RecordingSnapshot:
    """A snapshot that records which members are read."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._snapshot, name)


# These have a value even if they could not be read.
ALWAYS_THERE = {
    "taken_at",
    "injection_policy",
    "configuration",
    "orphan",
    "injecting_policies",
    "bound_injecting_policies",
    "has_only_policies",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_needs_what_it_reads(check: Any) -> None:
    for snapshot in [healthy(), *(snapshot for name, snapshot, *_ in BROKEN if name == check.name)]:
        watched = _RecordingSnapshot(snapshot)
        list(check.find_problems(watched))
        assert watched.names - ALWAYS_THERE <= set(check.requires)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_is_skipped_where_what_it_needs_could_not_be_read(check: Any) -> None:
    for member in check.requires:
        result = results(healthy(unavailable={member: "you may not list it"}))[check.name]
        assert (result.status, result.skipped) == (Status.SKIPPED, "you may not list it")


def test_what_rests_on_a_failed_check_is_skipped_and_says_which() -> None:
    assert results(healthy(configuration=None))["entries"].skipped == "see installed"


def test_after_names_earlier_checks_only() -> None:
    seen: set[str] = set()
    for check in CHECKS:
        assert set(check.after) <= seen
        seen.add(check.name)


def test_an_operators_own_requirement_on_namespaces_is_no_fault() -> None:
    own = copy.deepcopy(configuration())
    for entry in own["webhooks"]:
        entry["namespaceSelector"]["matchExpressions"].append({"key": "team", "operator": "Exists"})
    assert results(healthy(configuration=own))["entries"].findings == ()


def test_two_installations_may_divide_the_namespaces() -> None:
    def selecting(name: str, operator: str) -> Any:
        own = copy.deepcopy(configuration(name))
        for entry in own["webhooks"]:
            requirement = {"key": "release", "operator": operator, "values": ["canary"]}
            entry["namespaceSelector"]["matchExpressions"].append(requirement)
        return own

    both = (selecting("dind-webhook", "NotIn"), selecting("canary", "In"))
    namespaces = (opted_in(), opted_in("moved", release="canary"))
    for mine in both:
        found = results(healthy(configurations=both, configuration=mine, namespaces=namespaces))
        assert found["one-installation"].findings == ()
        assert found["not-exempt"].findings == ()
    without_canary = results(healthy(configurations=both[:1], configuration=both[0], namespaces=namespaces))
    (finding,) = without_canary["not-exempt"].findings
    assert finding.sentence.startswith("namespace moved has the label")


def test_match_conditions_may_be_laid_out_otherwise() -> None:
    def join(entry: dict[str, Any]) -> None:
        for condition in entry["matchConditions"]:
            condition["expression"] = " ".join(condition["expression"].split())

    assert results(configuration_with(join))["entries"].findings == ()


def test_a_wildcard_certificate_is_for_the_name() -> None:
    served = (ServerEndpoint("pod a", leaf("*.docker-system.svc")),)
    assert results(healthy(endpoints=served))["certificate-name"].findings == ()


def test_ignore_is_accepted_where_a_policy_looks() -> None:
    assert results(configuration_with(set_to("failurePolicy", "Ignore")))["failure-policy"].status is Status.PASSED


def test_a_pod_that_is_over_is_no_finding() -> None:
    over = pod(namespace="default") | {"status": {"phase": "Succeeded"}}
    assert results(healthy(pods=(over,)))["pods-have-docker"].findings == ()


def test_of_many_pods_the_first_are_named_and_the_others_counted() -> None:
    many = tuple(pod(f"p{number}", namespace="default") for number in range(25))
    findings = results(healthy(pods=many))["pods-have-docker"].findings
    assert len(findings) == 21
    assert findings[-1] == Finding("and 5 more", "use --namespace to see the pods of one namespace")
