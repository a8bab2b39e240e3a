"""The strict policy on the current API server and on the oldest one that the chart supports.

The tests inject pods with dind_webhook.injection, as the webhook does, and then create them, so that only the policy
decides.
"""

import copy
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

import golden
import jsonpatch
import pytest
import strict_pods
import yaml
from cluster import release
from cluster.cluster import OLDEST, VERSION
from cluster.release import Helm
from control_planes import ControlPlane, oldest_control_plane, run_server
from helm import only, render
from kube import Kube, Manifest, Namespace, refusal, until
from kubernetes import client
from strict_pods import ATTACKS, BODIES, OPERATORS, OPTION_TEXTS, RUNTIME_CLASSES, Attack, honest, injected, pod

from dind_webhook.injection import OPTIONS, STATUS, Mode, Outcome, Policy, decide_for_namespace
from dind_webhook.mutating_policy.patterns import decide_pattern, pattern_pod
from dind_webhook.settings import InjectionSettings, make_policy, parse_settings

pytestmark = pytest.mark.parametrize(
    "control_plane",
    [
        pytest.param(OLDEST, marks=[pytest.mark.node, pytest.mark.xdist_group(OLDEST)]),
        pytest.param(VERSION, marks=pytest.mark.xdist_group(VERSION)),
    ],
    indirect=True,
    scope="module",
)

ADMISSION = "admissionregistration.k8s.io/v1"
ENFORCE = "pod-security.kubernetes.io/enforce"
# The first minor version of Kubernetes with image volumes
IMAGE_VOLUMES = 35
DENIED = "ValidatingAdmissionPolicy"
# The chart makes no strict policy from the other settings: baseline allows no namespaces of the host.
CASES = [
    case
    for case in golden.all_cases()
    if not (case.policy.allow_host_network or case.policy.allow_host_pid or case.policy.allow_host_ipc)
]


@dataclass(frozen=True)
class Operator:
    """The strict policy for one operator's settings, in its own namespace."""

    namespace: Namespace
    policy: Policy
    # The label value of this operator's namespaces
    label: str

    def refusal(self, manifest: Manifest) -> str:
        """Return the message with which the API server refuses a pod, or "" if it accepts the pod."""
        return refusal(self.namespace, manifest)

    def create(self, manifest: Manifest) -> str:
        """Create a pod and return its name."""
        manifest = copy.deepcopy(manifest)
        manifest["metadata"]["name"] = f"strict-{token_hex(4)}"
        name: str = self.namespace.make(manifest)["metadata"]["name"]
        return name


@pytest.fixture(scope="module")
def control_plane(request: pytest.FixtureRequest, kube: Kube, helm: Helm) -> Iterator[ControlPlane]:
    if request.param == OLDEST:
        with oldest_control_plane(request.getfixturevalue("node")) as control_plane:
            yield control_plane
    elif os.environ.get("E2E_CLUSTER"):
        yield ControlPlane.of(request.getfixturevalue("node"))
    else:
        # The API server cannot reach this machine; these tests do not need that.
        yield ControlPlane(kube, helm, "")


class Operators:
    """The policies of operators. Each is installed on its first use."""

    def __init__(self, kube: Kube, stack: ExitStack) -> None:
        self._kube = kube
        self._stack = stack
        self._made: dict[str, Operator] = {}

    def for_settings(self, settings: dict[str, Any], **values: Any) -> Operator:
        key = json.dumps([settings, values], sort_keys=True)
        if key not in self._made:
            self._made[key] = self._make(settings, values)
        return self._made[key]

    def by_name(self, name: str) -> Operator:
        return self.for_settings(OPERATORS[name])

    def _make(self, settings: dict[str, Any], values: dict[str, Any]) -> Operator:
        name = f"strict-{token_hex(3)}"
        # As the chart sets it by the version of its cluster: older API servers have no image volumes.
        settings = {**settings, "image_volumes": minor_version(self._kube) >= IMAGE_VOLUMES}
        requirement = {"key": release.OTHER_RELEASE, "operator": "In", "values": [name]}
        objects = render(
            {
                "fullnameOverride": name,
                "policy": {"strict": True},
                "webhook": {"namespaceSelector": [requirement]},
                "daemonset": {"enabled": True},
                "settings": {"injection": settings},
                **values,
            }
        )
        for strict in strict_policies(objects, name):
            self._kube.make(strict)
            self._stack.callback(self._kube.delete, strict["kind"], strict["metadata"]["name"], version=ADMISSION)
        namespace = self._stack.enter_context(self._kube.namespace(**{release.OTHER_RELEASE: name}))
        text = only(objects, "ConfigMap", name)["data"]["settings.yaml"]
        loaded = parse_settings(text, "settings.yaml", {}).settings.injection
        operator = Operator(namespace, make_policy(loaded), name)
        until("the policy to act", lambda: DENIED in operator.refusal(privileged()))
        return operator


@pytest.fixture(scope="module")
def operators(control_plane: ControlPlane) -> Iterator[Operators]:
    kube = control_plane.kube
    with ExitStack() as stack:
        for name in RUNTIME_CLASSES:
            kube.make(
                {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name}
            )
            stack.callback(kube.delete, "RuntimeClass", name, version="node.k8s.io/v1")
        yield Operators(kube, stack)


def strict_policies(objects: tuple[Manifest, ...], name: str) -> list[Manifest]:
    """Return the strict policies of a release and their bindings, one of each for the cluster and for each entry."""
    return [each for each in objects if each["metadata"]["name"].startswith(f"{name}-strict")]


def privileged() -> Manifest:
    return pod({"containers": [strict_pods.build(securityContext={"privileged": True})]}, "disabled")


HONEST = [
    pytest.param(operator, manifest, id=f"{operator}-{name}")
    for operator, settings in OPERATORS.items()
    for name, manifest in honest(settings)
]


class TestHonestPods:
    @pytest.mark.usefixtures("control_plane")
    def test_there_is_one_for_every_option(self) -> None:
        assert sorted(OPTION_TEXTS) == sorted(option.name for option in OPTIONS)

    @pytest.mark.parametrize(("operator", "manifest"), HONEST)
    def test_that_are_injected_are_admitted(self, operators: Operators, operator: str, manifest: Manifest) -> None:
        chosen = operators.by_name(operator)
        pod = injected(manifest, chosen.policy)
        refused = chosen.refusal(pod)
        assert DENIED in refused if loses_user_namespace(pod, chosen) else refused == ""

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_of_the_golden_cases_are_admitted_where_their_own_containers_keep_to_baseline(
        self, operators: Operators, baseline: Namespace, case: golden.Case
    ) -> None:
        """The tests ask Pod Security of the same API server about the pod before injection."""
        text = case.settings.read_text("utf-8") if case.settings else "{}"
        settings = (yaml.safe_load(text) or {}).get("injection") or {}
        # Without the DaemonSet, the operator may choose any directory of the node. The chart refuses settings that deny
        # every pod of a mode.
        policy = make_policy(InjectionSettings.model_validate(settings))
        possible = [mode for mode in Mode if decide_pattern(policy, pattern_pod(mode)).outcome is not Outcome.DENIED]
        settings.setdefault("modes", list(map(str, possible)))
        # The chart sets these two itself.
        values = {"daemonset": {"hostPath": settings.pop("host_path", "")}}
        if pull_policy := settings.pop("image_pull_policy", None):
            values["dindImage"] = {"pullPolicy": pull_policy}
        operator = operators.for_settings(settings, **values)
        for _, own in golden.created_pods(golden.parse_documents(case.manifest.read_text("utf-8"))):
            decision = decide_for_namespace(own, case.namespace_label, operator.policy)
            # The pods in these cases that claim to be injected are incomplete.
            if decision.outcome is not Outcome.INJECTED or STATUS in (own["metadata"].get("annotations") or {}):
                continue
            # The node's socket, which baseline forbids, may have been replaced.
            is_replaced = any(operation["op"] == "remove" for operation in decision.operations)
            forbidden = not is_replaced and "violates PodSecurity" in refusal(baseline, without_references(own))
            patched = without_references(jsonpatch.apply_patch(own, list(decision.operations)))
            forbidden = forbidden or loses_user_namespace(patched, operator)
            refused = operator.refusal(patched)
            assert (DENIED in refused) is forbidden, refused


def loses_user_namespace(pod: Manifest, operator: Operator) -> bool:
    """Return whether the API server drops hostUsers, which it keeps since 1.33: then the policy must refuse the pod."""
    return pod["spec"].get("hostUsers") is False and minor_version(operator.namespace.kube) < 33


@pytest.fixture(scope="module")
def baseline(control_plane: ControlPlane) -> Iterator[Namespace]:
    """Yield a namespace in which Pod Security enforces baseline."""
    with control_plane.kube.namespace(None, **{ENFORCE: "baseline"}) as namespace:
        until("the level to count", lambda: "violates PodSecurity" in refusal(namespace, privileged()))
        yield namespace


def without_references(manifest: Manifest) -> Manifest:
    """Return a pod without references to objects that do not exist in this cluster."""
    references = {"serviceAccountName", "serviceAccount", "priorityClassName"}
    if manifest["spec"].get("runtimeClassName") not in RUNTIME_CLASSES:
        references.add("runtimeClassName")
    spec = {key: value for key, value in manifest["spec"].items() if key not in references}
    metadata = {key: value for key, value in (manifest.get("metadata") or {}).items() if key != "namespace"}
    return {**manifest, "metadata": {"name": "strict", **metadata}, "spec": spec}


class TestPodSecurity:
    """Every isolation needs the level privileged: docs/isolation.md says so."""

    @pytest.mark.parametrize("isolation", strict_pods.OPTION_TEXTS["isolation"])
    def test_refuses_the_daemon_of_every_isolation_at_baseline(
        self, operators: Operators, baseline: Namespace, isolation: str
    ) -> None:
        operator = operators.by_name("everything")
        manifest = injected(pod(BODIES["workspaces"], options={"isolation": isolation}), operator.policy)
        assert "violates PodSecurity" in refusal(baseline, manifest)


class TestAttacks:
    @pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.operator}-{attack.name}")
    def test_on_a_pod_that_is_created_are_refused(self, operators: Operators, attack: Attack) -> None:
        operator = operators.by_name(attack.operator)
        if minor_version(operator.namespace.kube) < attack.since:
            pytest.skip("this API server drops what it does not know")
        manifest = injected(pod(BODIES["workspaces"], attack.mode, attack.options), operator.policy)
        assert operator.refusal(manifest) == ""
        attack.change(manifest)
        refused = operator.refusal(manifest)
        assert DENIED in refused
        assert attack.says in refused

    def test_with_a_mode_that_is_off_are_refused(self, operators: Operators) -> None:
        sidecar = operators.by_name("defaults")
        manifest = injected(pod(BODIES["plain"]), sidecar.policy)
        off = operators.for_settings({"modes": ["daemonset"]})
        assert "annotation dind.io/status: only dind-webhook writes it" in off.refusal(manifest)
        node = injected(pod(BODIES["plain"], "daemonset"), sidecar.policy)
        off = operators.for_settings({"modes": ["sidecar"]}, daemonset={"enabled": False})
        assert "annotation dind.io/status: only dind-webhook writes it" in off.refusal(node)


class Tenants(NamedTuple):
    """Two namespaces, of which one has an entry in the settings, with the policies of the API server."""

    tenant: Operator
    other: Operator


@pytest.fixture(scope="module")
def tenants(control_plane: ControlPlane) -> Iterator[Tenants]:
    kube, name = control_plane.kube, f"tenants-{token_hex(3)}"
    requirement = {"key": release.OTHER_RELEASE, "operator": "In", "values": [name]}
    with ExitStack() as stack:
        tenant, other = (stack.enter_context(kube.namespace(**{release.OTHER_RELEASE: name})) for _ in range(2))
        injection = {
            "allowed_options": ["mtu", "memory-limit"],
            "max": {"memory-limit": "8Gi"},
            "namespaces": [
                {"names": ["other-*"], "modes": ["daemonset"]},
                {
                    "names": [f"{tenant.name[:-1]}*"],
                    "modes": ["sidecar"],
                    "allowed_options": ["image", "memory-limit"],
                    "allowed_images": ["docker:*"],
                    "defaults": {"mtu": 1400, "memory-limit": "1Gi"},
                    "max": {"memory-limit": "2Gi"},
                },
            ],
        }
        objects = render(
            {
                "fullnameOverride": name,
                "policy": {"strict": True},
                "webhook": {"namespaceSelector": [requirement]},
                "daemonset": {"enabled": True},
                "settings": {"injection": injection},
            }
        )
        for strict in strict_policies(objects, name):
            kube.make(strict)
            stack.callback(kube.delete, strict["kind"], strict["metadata"]["name"], version=ADMISSION)
        text = only(objects, "ConfigMap", name)["data"]["settings.yaml"]
        policy = make_policy(parse_settings(text, "settings.yaml", {}).settings.injection)
        both = Tenants(*(Operator(each, policy.for_namespace(each.name), name) for each in (tenant, other)))
        for operator in both:
            until("the policies to act", lambda operator=operator: DENIED in operator.refusal(privileged()))
        yield both


# Pods by mode and options, and whether the policy of the tenant and that of the cluster admit them
TENANT_PODS: list[tuple[str, dict[str, str], bool, bool]] = [
    ("sidecar", {"image": "docker:28-dind"}, True, False),
    ("sidecar", {"mtu": "1450"}, False, True),
    ("sidecar", {"memory-limit": "2Gi"}, True, True),
    ("sidecar", {"memory-limit": "4Gi"}, False, True),
    ("sidecar", {"memory-limit": "16Gi"}, False, False),
    ("daemonset", {}, False, True),
]


class TestNamespaces:
    """Each namespace is judged by its own policy alone."""

    def test_what_the_webhook_injects_is_admitted(self, tenants: Tenants) -> None:
        for operator in tenants:
            assert operator.refusal(injected(pod(BODIES["workspaces"]), operator.policy)) == ""

    @pytest.mark.parametrize(("mode", "options", "in_tenant", "in_other"), TENANT_PODS, ids=str)
    def test_what_only_another_namespace_may_have_is_refused(
        self, tenants: Tenants, mode: str, options: dict[str, str], in_tenant: bool, in_other: bool
    ) -> None:
        """Somebody writes by hand what another policy injects."""
        for operator, is_admitted in zip(tenants, (in_tenant, in_other), strict=True):
            opened = replace(
                operator.policy,
                allowed_options=frozenset(option.name for option in OPTIONS),
                allowed_images=("docker:*",),
                modes=frozenset(Mode),
                max={},
            )
            refused = operator.refusal(injected(pod(BODIES["plain"], mode, options), opened))
            assert (refused == "") is is_admitted, refused
            assert is_admitted or DENIED in refused

    def test_the_webhook_denies_what_its_policy_does_not_allow(self, tenants: Tenants) -> None:
        for mode, options, *admitted in TENANT_PODS:
            for operator, is_admitted in zip(tenants, admitted, strict=True):
                decision = decide_for_namespace(pod(BODIES["plain"], mode, options), "enabled", operator.policy)
                assert (decision.outcome is Outcome.INJECTED) is is_admitted, decision.message


# Changes to an existing pod: name, subresource, change, and message; "" if the change is allowed.
Change = tuple[str, str, Any, str]
# The tolerations that the API server adds, and one more
TOLERATIONS = [
    *(
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in ("not-ready", "unreachable")
    ),
    {"operator": "Exists"},
]
UPDATES: list[Change] = [
    ("labels", "", {"metadata": {"labels": {"a": "b"}}}, ""),
    ("annotations", "", {"metadata": {"annotations": {"a": "b"}}}, ""),
    ("finalizers", "", {"metadata": {"finalizers": ["example.com/f"]}}, ""),
    ("tolerations", "", {"spec": {"tolerations": TOLERATIONS}}, ""),
    ("a-deadline", "", {"spec": {"activeDeadlineSeconds": 60}}, ""),
    ("an-own-image", "", {"spec": {"containers": [{"name": "build", "image": "build:2"}]}}, ""),
    ("an-ephemeral-container", "ephemeralcontainers", {"name": "debug", "image": "debug"}, ""),
    ("resources-of-its-own", "resize", {"containers": [{"name": "build", "resources": {"limits": {"cpu": "2"}}}]}, ""),
    (
        "the-daemons-image",
        "",
        {"spec": {"initContainers": [{"name": "dind", "image": "attacker.example/dind:1"}]}},
        "container dind: dind-webhook has injected it, and it cannot be changed",
    ),
    ("no-status", "", {"metadata": {"annotations": {STATUS: None}}}, "annotation dind.io/status: it cannot be"),
    ("another-status", "", {"metadata": {"annotations": {STATUS: "{}"}}}, "annotation dind.io/status: it cannot be"),
    (
        "64-cores-for-the-daemon",
        "resize",
        {"initContainers": [{"name": "dind", "resources": {"limits": {"cpu": "64"}}}]},
        "container dind: dind-webhook has injected it, and it cannot be changed",
    ),
    (
        "a-privileged-ephemeral-container",
        "ephemeralcontainers",
        {"name": "debug", "image": "debug", "securityContext": {"privileged": True}},
        "container debug: must not set securityContext.privileged to true",
    ),
    (
        "an-ephemeral-container-with-capabilities",
        "ephemeralcontainers",
        {"name": "debug", "image": "debug", "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}},
        "container debug: must not add capabilities",
    ),
    (
        "an-ephemeral-container-on-the-storage",
        "ephemeralcontainers",
        {"name": "debug", "image": "debug", "volumeMounts": [{"name": "dind-storage", "mountPath": "/rw"}]},
        "volume dind-storage: only container dind may mount it",
    ),
    (
        "an-ephemeral-container-on-the-socket",
        "ephemeralcontainers",
        {"name": "debug", "image": "debug", "volumeMounts": [{"name": "dind-run", "mountPath": "/run/dind"}]},
        "volume dind-run: an ephemeral container must not mount the Docker socket",
    ),
]


@pytest.fixture(scope="module")
def pods(operators: Operators) -> dict[str, str]:
    """Return the names of existing pods by mode."""
    operator = operators.by_name("defaults")
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
    body = {"containers": [strict_pods.build(resources=resources)]}
    return {mode: operator.create(injected(pod(body, mode), operator.policy)) for mode in Mode}


@dataclass(frozen=True)
class PolicyComparison:
    """Compares the strict policy with Pod Security, if Pod Security has the same rules in this version."""

    strict: Operator
    baseline: Namespace
    same_rules: bool

    def check_verdict(self, own: Manifest, injected: Manifest, refused: bool) -> None:
        """Check that both refuse the pod, or both allow it. Pod Security checks the pod without the daemon."""
        assert bool(self.strict.refusal(own)) is refused
        assert bool(self.strict.refusal(injected)) is refused
        if self.same_rules:
            assert bool(refusal(self.baseline, own)) is refused


@pytest.fixture(scope="module")
def policies(control_plane: ControlPlane, operators: Operators, baseline: Namespace) -> PolicyComparison:
    return PolicyComparison(operators.by_name("defaults"), baseline, minor_version(control_plane.kube) >= 37)


def minor_version(kube: Kube) -> int:
    return int(client.VersionApi(kube.api).get_code().minor.rstrip("+"))


def parametrize(cases: dict[str, tuple[Manifest, bool]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("members", "refused"), cases.values(), ids=cases.keys())


class TestBaseline:
    """For containers other than the daemon, the strict policy decides like Pod Security."""

    @parametrize({**strict_pods.OF_CONTAINERS, **strict_pods.OF_ORDINARY_CONTAINERS})
    def test_of_containers(self, policies: PolicyComparison, members: Manifest, refused: bool) -> None:
        own = pod({"containers": [strict_pods.build(), {"name": "b", "image": "b", **members}]}, "disabled")
        policies.check_verdict(own, self.injected(policies, own), refused)

    @parametrize(strict_pods.OF_CONTAINERS)
    def test_of_init_containers(self, policies: PolicyComparison, members: Manifest, refused: bool) -> None:
        inits = [{"name": "b", "image": "b", **members}]
        own = pod({"containers": [strict_pods.build()], "initContainers": inits}, "disabled")
        policies.check_verdict(own, self.injected(policies, own), refused)

    @parametrize(strict_pods.OF_CONTAINERS)
    def test_of_ephemeral_containers(
        self, policies: PolicyComparison, pods: dict[str, str], members: Manifest, refused: bool
    ) -> None:
        change = {"name": "debug", "image": "debug", **members}
        assert bool(patch(policies.strict.namespace, pods["sidecar"], "ephemeralcontainers", change)) is refused

    def test_of_an_unmasked_proc(self, policies: PolicyComparison, pods: dict[str, str]) -> None:
        own = pod({"containers": [strict_pods.build(**strict_pods.UNMASKED)]}, "disabled")
        policies.check_verdict(own, self.injected(policies, own), policies.same_rules)
        change = {"name": "debug", "image": "debug", **strict_pods.UNMASKED}
        refused = patch(policies.strict.namespace, pods["sidecar"], "ephemeralcontainers", change)
        assert bool(refused) is policies.same_rules

    @parametrize(strict_pods.OF_PODS)
    def test_of_pods(self, policies: PolicyComparison, members: Manifest, refused: bool) -> None:
        own = pod({"containers": [strict_pods.build()], **members}, "disabled")
        policies.check_verdict(own, self.injected(policies, own), refused)

    @pytest.mark.parametrize(("value", "refused"), strict_pods.ANNOTATIONS.items())
    def test_of_annotations(self, policies: PolicyComparison, value: str, refused: bool) -> None:
        own = pod(BODIES["plain"], "disabled")
        own["metadata"]["annotations"][strict_pods.APP_ARMOR] = value
        policies.check_verdict(own, self.injected(policies, own), refused)

    def injected(self, policies: PolicyComparison, own: Manifest) -> Manifest:
        """Return the pod with a daemon, even if injection would deny the pod."""
        plain = injected(pod(BODIES["plain"]), policies.strict.policy)
        merged = copy.deepcopy(plain)
        merged["metadata"]["annotations"] |= own["metadata"]["annotations"]
        context = {**plain["spec"]["securityContext"], **own["spec"].get("securityContext", {})}
        inits = [*plain["spec"]["initContainers"], *own["spec"].get("initContainers", [])]
        merged["spec"] = {**plain["spec"], **own["spec"], "initContainers": inits, "securityContext": context}
        return merged


class TestUpdates:
    @pytest.mark.parametrize(
        ("subresource", "change", "says"), [row[1:] for row in UPDATES], ids=[row[0] for row in UPDATES]
    )
    def test_of_a_pod(
        self, operators: Operators, pods: dict[str, str], subresource: str, change: Any, says: str
    ) -> None:
        namespace = operators.by_name("defaults").namespace
        if subresource == "resize" and not has_resize(namespace.kube):
            pytest.skip("this API server has no pods/resize")
        refused = patch(namespace, pods["sidecar"], subresource, change)
        assert (DENIED in refused and says in refused) if says else refused == ""

    def test_of_a_pod_in_daemonset_mode_are_refused_where_they_reach_the_nodes_socket(
        self, operators: Operators, pods: dict[str, str]
    ) -> None:
        mount = {"name": "dind-run", "mountPath": "/run/dind", "readOnly": True}
        change = {"name": "debug", "image": "debug", "volumeMounts": [mount]}
        refused = patch(operators.by_name("defaults").namespace, pods["daemonset"], "ephemeralcontainers", change)
        assert "volume dind-run: an ephemeral container must not mount the Docker socket" in refused

    def test_of_a_pod_with_500_containers_are_within_the_cost_limit_of_cel(self, operators: Operators) -> None:
        """Otherwise no controller could remove the finalizers of such a pod, and it would never be deleted."""
        operator = operators.by_name("defaults")
        # Alike but for their names: nothing else tells two of them apart early.
        build = {"image": "build", "env": [{"name": f"VARIABLE_{index}", "value": "x"} for index in range(10)]}
        containers = [{"name": f"build-{index}", **copy.deepcopy(build)} for index in range(500)]
        name = operator.create(injected(pod({"containers": containers}), operator.policy))
        assert patch(operator.namespace, name, "", {"metadata": {"labels": {"a": "b"}}}) == ""
        assert patch(operator.namespace, name, "ephemeralcontainers", {"name": "debug", "image": "debug"}) == ""

    def test_cannot_add_a_status(self, operators: Operators) -> None:
        operator = operators.by_name("defaults")
        name = operator.create(pod(BODIES["plain"], "disabled"))
        change = {"metadata": {"annotations": {STATUS: '{"mode":"sidecar","version":"0.1.0"}'}}}
        assert "annotation dind.io/status: it cannot be" in patch(operator.namespace, name, "", change)

    def test_of_pods_that_were_there_before_the_policy_are_judged_by_what_changes(
        self, control_plane: ControlPlane
    ) -> None:
        """After an upgrade, it must be possible to label and delete pods of previous settings, or without injection."""
        with ExitStack() as stack:
            # The main release does not select this namespace.
            before = stack.enter_context(control_plane.kube.namespace(**{release.OTHER_RELEASE: "before"}))
            old = Operators(control_plane.kube, stack).by_name("everything")
            options = {"dockerd-args": '["--debug"]', "image": "registry.example/ci/docker:1"}
            names = {
                "injected": before.make(injected(pod(BODIES["workspaces"], options=options), old.policy)),
                "privileged": before.make({**privileged(), "metadata": {"name": "privileged"}}),
            }
            strict = Operators(control_plane.kube, stack).for_settings({"allowed_options": []})
            label = {release.OTHER_RELEASE: strict.label}
            control_plane.kube.core.patch_namespace(before.name, {"metadata": {"labels": label}})
            until("the policy to act", lambda: DENIED in refusal(before, privileged()))
            for made in names.values():
                name = made["metadata"]["name"]
                assert patch(before, name, "", {"metadata": {"labels": {"a": "b"}, "finalizers": ["e.com/f"]}}) == ""
                assert patch(before, name, "", {"metadata": {"finalizers": None}}) == ""
                image = {"spec": {"containers": [{"name": "build", "image": "build:2"}]}}
                assert (patch(before, name, "", image) == "") is (name != "privileged")
            daemon = {"spec": {"initContainers": [{"name": "dind", "image": "docker:29.8.2-dind"}]}}
            assert "cannot be changed" in patch(before, "strict", "", daemon)


def has_resize(kube: Kube) -> bool:
    resources = kube.core.get_api_resources().resources
    return any(resource.name == "pods/resize" for resource in resources)


def patch(namespace: Namespace, name: str, subresource: str, change: Any) -> str:
    """Patch a pod without dry-run, and return the message if the patch is refused."""
    core, content = namespace.kube.core, "application/strategic-merge-patch+json"
    try:
        match subresource:
            case "ephemeralcontainers":
                body = {"spec": {"ephemeralContainers": [change]}}
                core.patch_namespaced_pod_ephemeralcontainers(
                    name, namespace.name, body, dry_run="All", _content_type=content
                )
            case "resize":
                core.patch_namespaced_pod_resize(
                    name, namespace.name, {"spec": change}, dry_run="All", _content_type=content
                )
            case _:
                core.patch_namespaced_pod(name, namespace.name, change, dry_run="All", _content_type=content)
    except client.ApiException as error:
        return str(json.loads(error.body)["message"])
    return ""


@pytest.mark.node
class TestTheWebhook:
    """Pods created by users: the API server calls the webhook, then evaluates the policy."""

    @pytest.fixture
    def ci(self, control_plane: ControlPlane, tmp_path: Path) -> Iterator[Namespace]:
        with ExitStack() as stack:
            server = stack.enter_context(run_server(control_plane, tmp_path))
            release = stack.enter_context(server.release({"policy": {"strict": True}}))
            namespace = stack.enter_context(release.namespace_of())
            until("the policy to act", lambda: DENIED in refusal(namespace, privileged()))
            yield namespace

    def test_injects_pods_that_are_admitted_and_does_not_help_a_forged_one(self, ci: Namespace) -> None:
        until("a pod to be admitted", lambda: not refusal(ci, pod(BODIES["workspaces"])))
        made = ci.make(pod(BODIES["workspaces"]))
        assert made["spec"]["initContainers"][0]["securityContext"]["privileged"] is True
        assert patch(ci, "strict", "", {"metadata": {"labels": {"a": "b"}}}) == ""
        own = {"name": "dind", "image": "own", "restartPolicy": "Always", "securityContext": {"privileged": True}}
        forged = pod({"containers": [strict_pods.build()], "initContainers": [own]})
        forged["metadata"]["annotations"][STATUS] = made["metadata"]["annotations"][STATUS]
        assert DENIED in refusal(ci, forged)


SECRETS: list[tuple[str, Manifest, bool]] = [
    ("of-type-opaque", {"type": "Opaque", "stringData": {"ca.crt": "x"}}, True),
    ("of-another-account", {"type": "kubernetes.io/service-account-token"}, False),
    ("with-a-finalizer", {"type": "Opaque", "metadata": {"finalizers": ["example.com/f"]}}, False),
    (
        "with-an-owner",
        {
            "type": "Opaque",
            "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "gone", "uid": "1"}]},
        },
        False,
    ),
]


class TestTheAccountOfCerts:
    @pytest.fixture
    def account(self, control_plane: ControlPlane) -> Iterator[tuple[client.CoreV1Api, str]]:
        """Yield a client with the service account's token and the RBAC rules of the chart, and the namespace."""
        kube = control_plane.kube
        with kube.namespace(None) as namespace, ExitStack() as stack:
            name = namespace.name
            values = {"fullnameOverride": name, "policy": {"strict": True}, "test": {"enabled": False}}
            objects = render(values, namespace=name)
            for kind in ("ServiceAccount", "Role", "RoleBinding"):
                namespace.make(only(objects, kind))
            for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
                kube.make(only(objects, kind, f"{name}-certs"))
                stack.callback(kube.delete, kind, f"{name}-certs", version=ADMISSION)
            impersonating = client.ApiClient(kube.api.configuration)
            impersonating.set_default_header("Impersonate-User", f"system:serviceaccount:{name}:{name}")
            account = client.CoreV1Api(impersonating)
            forbidden = SECRETS[1][1]
            until("the policy to act", lambda: DENIED in apply_secret(account, name, forbidden))
            yield account, name

    def test_may_only_write_an_opaque_secret_that_is_nobodys(self, account: tuple[client.CoreV1Api, str]) -> None:
        core, namespace = account
        for name, secret, taken in SECRETS:
            refused = apply_secret(core, namespace, secret)
            assert (refused == "") if taken else (DENIED in refused), (name, refused)


def apply_secret(core: client.CoreV1Api, namespace: str, secret: Manifest) -> str:
    """Apply the certificates' Secret as this account, in a dry run, and return the message if it is refused."""
    name = f"{namespace}-certs"
    metadata = {"name": name, "annotations": {"kubernetes.io/service-account.name": "default"}}
    body = {"apiVersion": "v1", "kind": "Secret", **secret, "metadata": {**metadata, **secret.get("metadata", {})}}
    try:
        core.patch_namespaced_secret(
            name,
            namespace,
            body,
            field_manager="dind-webhook",
            force=True,
            dry_run="All",
            _content_type="application/apply-patch+yaml",
        )
    except client.ApiException as error:
        return str(json.loads(error.body)["message"])
    return ""
