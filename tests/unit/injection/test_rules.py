"""Each rule stops the pods that break it, and `explain` shows the first rule that stops a pod."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import jsonpatch
import pytest
from pods import a_container, a_pod, operator_policy

from dind_webhook.injection import RULES, Decision, Mode, Reason, RuleState, inject, trace_rules
from dind_webhook.injection.rules import RuleContext, decide
from dind_webhook.model import JsonObject

_REASONS = Counter(reason for rule in RULES for reason in rule.reasons)
_IN_SEVERAL_RULES = {
    Reason.MALFORMED_POD,
    Reason.INVALID_OPTION,
    Reason.NAMESPACE_NOT_OPTED_IN,
    Reason.NOT_REQUESTED,
}


@dataclass
class Situation:
    """A pod, and the settings and facts that decide about it."""

    pod: JsonObject = field(default_factory=lambda: a_pod(volumes=[], initContainers=[a_container("setup")]))
    settings: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=lambda: {"namespace_label": "enabled", "exclusion": ""})

    @property
    def annotations(self) -> JsonObject:
        annotations: JsonObject = self.pod["metadata"]["annotations"]
        return annotations

    @property
    def spec(self) -> JsonObject:
        spec: JsonObject = self.pod["spec"]
        return spec

    def decide(self) -> Decision:
        case = RuleContext(self.pod, operator_policy(**self.settings))
        for name, value in self.facts.items():
            setattr(case, name, value)
        return decide(case)


def _inject_first(situation: Situation) -> None:
    decision = inject(situation.pod, None, operator_policy())
    situation.pod = jsonpatch.apply_patch(situation.pod, list(decision.operations))


def _ask_only_for_the_replacement(situation: Situation) -> None:
    del situation.annotations["dind.io/inject"]
    situation.annotations["dind.io/node-socket"] = "replace"
    situation.settings.update(
        allowed_options=frozenset({"node-socket", "image", "isolation", "mtu", "containers", "share-volumes"})
    )


def _mount_socket_that_cannot_be_replaced(situation: Situation) -> None:
    situation.settings.update(defaults={"node-socket": "replace"}, docker_sock=False)
    situation.spec["volumes"].append({"name": "node", "hostPath": {"path": "/var/run/docker.sock"}})
    (build,) = [item for item in situation.spec["containers"] if item["name"] == "build"]
    build.setdefault("volumeMounts", []).append({"name": "node", "mountPath": "/node.sock"})


# A change that breaks each rule, and no other rule
_RULE_BREAKERS: dict[str, Callable[[Situation], Any]] = {
    "The namespace has opted in": lambda s: s.facts.update(namespace_label="other"),
    "The webhook configuration selects the pod": lambda s: s.facts.update(exclusion="its objectSelector"),
    "The request creates a pod": lambda s: s.facts.update(creates_pod=False),
    "The pod's metadata can be read": lambda s: s.pod["metadata"].update(labels=["a"]),
    "Not a static (mirror) pod": lambda s: s.annotations.update({"kubernetes.io/config.mirror": "x"}),
    "dind.io/inject has an accepted value": lambda s: s.annotations.update({"dind.io/inject": "sidcar"}),
    "The pod or its namespace asks for Docker": lambda s: s.annotations.update({"dind.io/inject": "disabled"}),
    "The pod's spec can be read": lambda s: s.spec.update(hostAliases=[], restartPolicy=5),
    "The pod runs on Linux": lambda s: s.spec.update(os={"name": "windows"}),
    "The operator has switched this mode on": lambda s: s.settings.update(modes=frozenset({Mode.DAEMONSET})),
    "All dind.io/* annotations are known": lambda s: s.annotations.update({"dind.io/colour": "blue"}),
    "The operator allows these options and their values": lambda s: (
        s.settings.update(allowed_options=frozenset({"image", "isolation", "mtu", "containers", "share-volumes"})),
        s.annotations.update({"dind.io/image": "evil.example/x:1"}),
    ),
    "The values of the options are accepted": lambda s: s.annotations.update({"dind.io/mtu": "many"}),
    "The pod mounts the node's Docker socket, if only its replacement is asked for": _ask_only_for_the_replacement,
    "The pod's host namespaces are allowed in this mode": lambda s: s.spec.update(hostNetwork=True),
    "In sidecar mode, the pod can have the isolation that is asked for": lambda s: (
        s.annotations.update({"dind.io/isolation": "userns"}),
        s.spec.update(hostUsers=True),
    ),
    "No container runs a Docker daemon of its own": lambda s: s.spec["containers"].append(
        a_container("docker", image="docker:29-dind")
    ),
    "The node's Docker socket can be replaced, if the pod asks for that": _mount_socket_that_cannot_be_replaced,
    "The named containers exist, and at least one container can have Docker": lambda s: s.annotations.update(
        {"dind.io/containers": "nobody"}
    ),
    "In sidecar mode, the named volumes can be shared": lambda s: s.annotations.update(
        {"dind.io/share-volumes": "nothing"}
    ),
    "dind.io/status is absent, or correct": lambda s: s.annotations.update({"dind.io/status": "{}"}),
    "The pod does not mount the node's Docker socket": lambda s: s.spec["volumes"].append(
        {"name": "sock", "hostPath": {"path": "/var/run/docker.sock"}}
    ),
    "The names and paths of the injection are free": lambda s: next(
        item for item in s.spec["initContainers"] if item["name"] == "setup"
    ).update(volumeMounts=[{"name": "dind-run", "mountPath": "/rw"}]),
    "The pod can run on the operator's nodes for Docker": lambda s: (
        s.settings.update(node_selector={"pool": "docker"}),
        s.spec.update(nodeSelector={"pool": "general"}),
    ),
    "No container makes its Docker client require TLS": lambda s: next(
        item for item in s.spec["containers"] if item["name"] == "build"
    ).update(env=[{"name": "DOCKER_TLS_VERIFY", "value": "1"}]),
    "The injected containers fit into the pod's own resources": lambda s: s.spec.update(
        resources={"limits": {"memory": "1Mi"}}
    ),
    "The pod lacks a part of the injection": _inject_first,
}
# Pairs that change the same member, or whose rules apply to different pods
_EXCLUDE_EACH_OTHER = {
    (
        "The pod mounts the node's Docker socket, if only its replacement is asked for",
        "The pod does not mount the node's Docker socket",
    ),
    (
        "The operator has switched this mode on",
        "The pod mounts the node's Docker socket, if only its replacement is asked for",
    ),
    (
        "dind.io/inject has an accepted value",
        "The pod mounts the node's Docker socket, if only its replacement is asked for",
    ),
    (
        "The pod or its namespace asks for Docker",
        "The pod mounts the node's Docker socket, if only its replacement is asked for",
    ),
    (
        "The pod mounts the node's Docker socket, if only its replacement is asked for",
        "dind.io/status is absent, or correct",
    ),
    (
        "The pod mounts the node's Docker socket, if only its replacement is asked for",
        "The pod lacks a part of the injection",
    ),
    (
        "The pod mounts the node's Docker socket, if only its replacement is asked for",
        "The node's Docker socket can be replaced, if the pod asks for that",
    ),
    ("dind.io/inject has an accepted value", "The pod or its namespace asks for Docker"),
    ("The injected containers fit into the pod's own resources", "The pod lacks a part of the injection"),
    ("dind.io/status is absent, or correct", "The pod lacks a part of the injection"),
    ("The pod can run on the operator's nodes for Docker", "The pod lacks a part of the injection"),
}


def _break_rules(*statements: str) -> Situation:
    situation = Situation()
    # Injection comes first: the other changes break the injected pod.
    for statement in sorted(statements, key=lambda item: item != "The pod lacks a part of the injection"):
        _RULE_BREAKERS[statement](situation)
    return situation


def _stopping_rule(decision: Decision) -> str | None:
    return None if decision.stopped_by is None else RULES[decision.stopped_by].statement


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.INJECTED])
def test_every_reason_to_stop_stands_in_a_rule(reason: Reason) -> None:
    assert (_REASONS[reason] > 1) is (reason in _IN_SEVERAL_RULES)
    assert _REASONS[reason] >= 1


def test_every_rule_can_be_broken() -> None:
    assert list(_RULE_BREAKERS) == [rule.statement for rule in RULES]


def test_a_pod_that_breaks_no_rule_is_injected() -> None:
    decision = Situation().decide()
    assert (decision.reason, decision.stopped_by) == (Reason.INJECTED, None)


@pytest.mark.parametrize("statement", _RULE_BREAKERS)
def test_a_pod_that_breaks_a_rule_stops_there_with_one_of_its_reasons(statement: str) -> None:
    decision = _break_rules(statement).decide()
    assert _stopping_rule(decision) == statement
    assert decision.stopped_by is not None
    assert decision.reason in RULES[decision.stopped_by].reasons


@pytest.mark.parametrize("pair", [pair for pair in combinations(_RULE_BREAKERS, 2) if pair not in _EXCLUDE_EACH_OTHER])
def test_of_two_broken_rules_the_first_decides_and_is_the_one_that_is_shown(pair: tuple[str, str]) -> None:
    decision = _break_rules(*pair).decide()
    first, second = pair
    assert _stopping_rule(decision) == first
    first_only = _break_rules(first).decide()
    assert (decision.reason, decision.message) == (first_only.reason, first_only.message)
    shown = {rule.statement: state for rule, state in trace_rules(decision, configuration_known=True)}
    assert [state for state in shown.values() if state is RuleState.STOPPED] == [RuleState.STOPPED]
    assert shown[first] is RuleState.STOPPED
    assert shown[second] is RuleState.NOT_REACHED
    # The rules before the first broken one have passed, and no others.
    passed = [statement for statement, state in shown.items() if state is RuleState.PASSED]
    assert passed == list(_RULE_BREAKERS)[: decision.stopped_by]


def test_a_decision_changes_nothing_of_the_pod() -> None:
    situation = Situation()
    before = deepcopy(situation.pod)
    situation.decide()
    assert situation.pod == before


def test_what_was_not_looked_at_is_shown_so() -> None:
    decision = inject(a_pod(), None, operator_policy())
    states = [state for _, state in trace_rules(decision)]
    assert states.count(RuleState.NOT_CHECKED) == 1
    assert RuleState.NOT_CHECKED not in [state for _, state in trace_rules(decision, configuration_known=True)]
