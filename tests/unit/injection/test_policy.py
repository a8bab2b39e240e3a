"""The policy that is in force in a namespace."""

import pytest
from pods import a_pod, operator_policy, permissive_policy

from dind_webhook.injection import Mode, Policy, Reason, inject
from dind_webhook.injection.policy import _find_policy
from dind_webhook.settings import NamespaceSettings

_POLICY = operator_policy(
    max={"cpu-limit": "4"},
    namespaces=(
        NamespaceSettings(names=("team-a", "*-gpu"), modes=frozenset({Mode.DAEMONSET})),
        NamespaceSettings(names=("team-*",), max={"cpu-limit": "2"}, allowed_options=frozenset()),
    ),
)


def _bound(policy: Policy) -> str:
    return policy.max["cpu-limit"]


def test_the_first_entry_that_matches_is_in_force() -> None:
    assert _POLICY.for_namespace("team-a").modes == {Mode.DAEMONSET}
    assert _POLICY.for_namespace("team-gpu").modes == {Mode.DAEMONSET}
    assert _POLICY.for_namespace("team-b").modes == set(Mode)
    assert _bound(_POLICY.for_namespace("team-b")) == "2"


@pytest.mark.parametrize("name", ["ci", "", "team", "x" * 64, f"team-{'x' * 59}", "TEAM-A"])
def test_other_namespaces_have_the_policy_of_the_cluster(name: str) -> None:
    assert _POLICY.for_namespace(name) is _POLICY


def test_the_policy_of_a_namespace_stays_the_same() -> None:
    policy = _POLICY.for_namespace("team-a")
    assert policy.for_namespace("team-b") is policy


def test_all_policies_can_be_listed() -> None:
    assert [policy.scope for policy in _POLICY.variants] == ["cluster", "namespace", "namespace"]


def test_names_of_strangers_do_not_fill_the_memory() -> None:
    for index in range(5000):
        _POLICY.for_namespace(f"stranger-{index}")
    assert _find_policy.cache_info().currsize <= 1024


@pytest.mark.parametrize(
    ("pod", "reason", "message"),
    [
        (
            a_pod(options={"mtu": "1450"}),
            Reason.OPTION_NOT_ALLOWED,
            (
                "annotation dind.io/mtu may not be set in this namespace; remove it (options that its operator allows: "
                "none)"
            ),
        ),
        (
            a_pod("daemonset"),
            Reason.MODE_OFF,
            "annotation dind.io/inject: mode daemonset is switched off in this namespace (modes that are on: sidecar)",
        ),
    ],
)
def test_a_denial_says_that_other_namespaces_may_differ(pod: dict[str, object], reason: Reason, message: str) -> None:
    entry = NamespaceSettings(names=("ci",), modes=frozenset({Mode.SIDECAR}), allowed_options=frozenset())
    decision = inject(pod, None, permissive_policy(namespaces=(entry,)).for_namespace("ci"))
    assert (decision.reason, decision.message) == (reason, message)
