"""Injection by policies of the API server: the same pods as with the webhook, or a refusal.

Each golden pod is created with dry-run in a namespace where the policies of its settings are in force. For comparison,
it is created in another namespace, injected by the core, and created again. No pod runs, so no node is needed:
`E2E_KUBECONFIG=… .venv/bin/pytest -c tests/e2e/pytest.ini tests/e2e/test_mutating_policy.py`.
"""

import copy
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import golden
import jsonpatch
import pytest
import strategies
from cluster import release
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kube import Kube, Manifest, Namespace, RefusedError, until

from dind_webhook.errors import SettingsError
from dind_webhook.injection import Decision, Outcome, Policy, decide_for_namespace
from dind_webhook.mutating_policy import render_policies
from dind_webhook.settings import InjectionSettings, make_policy

# One process: each operator takes seconds.
pytestmark = pytest.mark.xdist_group("mutating-policy")

ADMISSION = "admissionregistration.k8s.io/v1"
# The refusal of a pod that the core injects
NEEDS_WEBHOOK = "only the webhook dind-webhook can"
RUNTIME_CLASSES = ("gvisor", "kata", "sysbox", "userns")
COST_REPETITIONS = int(os.environ.get("E2E_COST_REPETITIONS", "10"))
# Settings that cannot become policies
UNSUPPORTED = {
    "node-socket-namespace-other-pods",
    "node-socket-of-a-directory",
    "node-socket-replaced-by-annotation",
    "node-socket-replaced-in-namespace",
    "node-socket-replaced-in-namespace-daemonset",
    "node-socket-replaced-in-namespace-enabled",
    "node-socket-with-ordinary-container",
}


@dataclass(frozen=True)
class Answer:
    """The answer of an API server to the creation of a pod: the pod, or a message."""

    pod: Manifest | None
    message: str = ""


def ask(namespace: Namespace, pod: Manifest) -> Answer:
    try:
        return Answer(namespace.make(pod, dry_run="All"))
    except RefusedError as error:
        return Answer(None, error.message)


class Operator:
    """The policies of some settings, and their namespaces by the value of the command line's flag for its labels."""

    def __init__(self, kube: Kube, stack: ExitStack, policy: Policy, repetitions: int = 1) -> None:
        self._kube = kube
        self._stack = stack
        self.name = f"policy-{token_hex(3)}"
        self.namespaces: dict[str, Namespace] = {}
        self.policy = policy
        requirement = {"key": release.OTHER_RELEASE, "operator": "In", "values": [self.name]}
        for each in render_policies(policy, self.name):
            for member in ("matchConstraints", "matchResources"):
                if selected := each["spec"].get(member):
                    selected["namespaceSelector"]["matchExpressions"].append(requirement)
            repeat_expressions(each["spec"], repetitions)
            kube.make(each)
            stack.callback(kube.delete, each["kind"], each["metadata"]["name"], version=ADMISSION)
        until("the policies to act", self._acts)

    def namespace(self, labels: str) -> Namespace:
        if labels not in self.namespaces:
            inject, node_socket = split_labels(labels)
            more = {"dind.io/node-socket": node_socket} if node_socket else {}
            made = self._kube.namespace(inject or None, **{release.OTHER_RELEASE: self.name, **more})
            self.namespaces[labels] = self._stack.enter_context(made)
        return self.namespaces[labels]

    def _acts(self) -> bool:
        """Return whether all policies are in force: each takes effect on its own."""
        namespace = self.namespace("enabled")
        if "is not accepted" not in ask(namespace, a_pod("example")).message:
            return False
        for mode in self.policy.modes:
            answer = ask(namespace, a_pod(str(mode)))
            if "cannot be combined" in answer.message:
                continue
            if answer.pod is None or "dind.io/status" not in answer.pod["metadata"]["annotations"]:
                return False
            if "does not exist" not in ask(namespace, a_pod(str(mode), {"dind.io/example": "x"})).message:
                return False
        return True


def repeat_expressions(spec: Manifest, repetitions: int) -> None:
    """Have a policy evaluate its expressions that many times: with the same result, at that many times the cost."""
    variables = list(spec.get("variables", ()))
    numbers = range(1, repetitions)
    for number in numbers:
        for each in variables:
            spec["variables"].append({"name": f"{each['name']}_{number}", "expression": renamed(each, number)})
        spec.get("validations", []).extend(
            {**each, "expression": f"({renamed(each, number)}) || true"} for each in spec.get("validations", [])[:4]
        )
    for mutation in spec.get("mutations", ()):
        patch = mutation["jsonPatch"]
        condition, _, branches = patch["expression"].partition(" ? ")
        _, _, operations = branches.partition(" :\n")
        # A variable is evaluated when it is used. An expression may not be as long as that many patches.
        used = "".join(f" || !variables.applies_{n} || variables.daemonMounts_{n}.size() < 0" for n in numbers)
        again = f" || {list(numbers)}.exists(n, size({operations}) < 0)" if repetitions > 1 else ""
        patch["expression"] = f"{condition}{used}{again} ? {branches}"


def renamed(expression: Manifest, number: int) -> str:
    return re.sub(r"\bvariables\.(\w+)", rf"variables.\1_{number}", expression["expression"])


def split_labels(labels: str) -> tuple[str, str]:
    """Return the values of the labels dind.io/inject and dind.io/node-socket."""
    inject, _, node_socket = labels.rpartition("dind.io/node-socket=") if "=" in labels else (labels, "", "")
    return inject.rstrip(","), node_socket


def a_pod(inject: str, annotations: dict[str, str] | None = None, **spec: Any) -> Manifest:
    metadata = {"name": "ci", "annotations": {"dind.io/inject": inject, **(annotations or {})}}
    containers = [{"name": "build", "image": "build"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


@pytest.fixture(scope="module")
def operators(kube: Kube) -> Iterator["Operators"]:
    with ExitStack() as stack:
        for name in RUNTIME_CLASSES:
            kube.make(
                {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name}
            )
            stack.callback(kube.delete, "RuntimeClass", name, version="node.k8s.io/v1")
        operators = Operators(kube, stack.enter_context(kube.namespace(None)))
        stack.callback(operators.close)
        yield operators


class Operators:
    """The operators of the cases, and a namespace without policies. Only the policies of the last one are installed.

    Many policies of this size keep an API server busy on a small machine.
    """

    def __init__(self, kube: Kube, outside: Namespace) -> None:
        self._kube = kube
        self._stack = ExitStack()
        self._operator: Operator | None = None
        self._settings: str | None = None
        self.outside = outside

    def of_case(self, case: golden.Case) -> Operator:
        return self._of(settings_of(case), case.policy)

    def of_defaults(self) -> Operator:
        return self._of("", make_policy(InjectionSettings()))

    def of_settings(self, settings: dict[str, Any]) -> Operator:
        return self._of(json.dumps(settings), make_policy(InjectionSettings.model_validate(settings)))

    def close(self) -> None:
        self._stack.close()
        self._operator = None

    def _of(self, settings: str, policy: Policy) -> Operator:
        if self._operator is None or settings != self._settings:
            self.close()
            self._operator, self._settings = Operator(self._kube, self._stack, policy), settings
        return self._operator


def settings_of(case: golden.Case) -> str:
    return case.settings.read_text("utf-8") if case.settings else ""


def pods_of(case: golden.Case) -> Iterator[Manifest]:
    for _, pod in golden.created_pods(golden.parse_documents(case.manifest.read_text("utf-8"))):
        made = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(pod)}
        metadata = {"name": "ci", **(made.get("metadata") or {})}
        yield {**made, "metadata": {key: metadata[key] for key in metadata.keys() - {"namespace", "ownerReferences"}}}


def without_server_members(pod: Manifest) -> Manifest:
    """Return a pod that can be created again: without the members that the API server sets itself."""
    metadata = {key: pod["metadata"][key] for key in pod["metadata"].keys() & {"name", "annotations", "labels"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


def comparable(pod: Manifest) -> Any:
    """Return the members of a pod that injection can change. The volume with the token has a random name."""
    text = json.dumps({**without_server_members(pod), "metadata": {**pod["metadata"], "name": ""}})
    members = json.loads(re.sub(r"kube-api-access-\w{5}", "kube-api-access-x", text))
    metadata = members["metadata"]
    return members["spec"], metadata.get("annotations", {}), metadata.get("labels", {})


def check(operator: Operator, outside: Namespace, pod: Manifest, labels: str = "enabled") -> str:
    """Check that the policies do as the core does, or refuse the pod. Return the message of a refusal."""
    namespace = operator.namespace(labels)
    answer = ask(namespace, pod)
    plain = ask(outside, pod)
    if plain.pod is None:
        # The API server itself refuses the pod.
        assert answer.pod is None
        return answer.message
    sent = without_server_members(plain.pod)
    inject, node_socket = split_labels(labels)
    policy = operator.policy.for_namespace(namespace.name)
    decision = decide_for_namespace(sent, inject, policy, node_socket_label=node_socket)
    if decision.outcome is Outcome.DENIED and not decision.is_left_alone:
        assert answer.pod is None, f"the core denies this pod: {decision.message}"
        return answer.message
    if answer.pod is None:
        assert NEEDS_WEBHOOK in answer.message
        return answer.message
    assert comparable(answer.pod) == comparable(expected(outside, sent, decision))
    return ""


def expected(outside: Namespace, sent: Manifest, decision: Decision) -> Manifest:
    patched = jsonpatch.apply_patch(sent, list(decision.operations))
    made = ask(outside, patched)
    assert made.pod is not None, made.message
    return made.pod


# Those of one operator together
CASES = sorted(golden.all_cases(), key=settings_of, reverse=True)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_golden_pod_is_injected_as_by_the_core_or_refused(operators: Operators, case: golden.Case) -> None:
    if case.name in UNSUPPORTED:
        with pytest.raises(SettingsError, match="cannot become a policy of the API server"):
            operators.of_case(case)
        return
    operator = operators.of_case(case)
    for pod in pods_of(case):
        check(operator, operators.outside, pod, case.namespace_label)


def test_most_golden_pods_need_no_webhook(operators: Operators) -> None:
    """An engine that refuses every pod would pass the other tests."""
    operator = operators.of_defaults()
    cases = [case for case in CASES if case.settings is None]
    messages = [
        check(operator, operators.outside, pod, case.namespace_label)
        for case in cases
        for pod in pods_of(case)
        if "denied" not in case.name
    ]
    refused = [message for message in messages if message]
    assert len(refused) < len(messages) / 2, refused


@st.composite
def generated_pods(draw: st.DrawFn) -> Manifest:
    """Return pods that are valid without injection, half of them without options."""
    pod = draw(strategies.pods(unknown_members=False))
    annotations = pod["metadata"].get("annotations") or {}
    if draw(st.booleans()):
        annotations = {key: text for key, text in annotations.items() if key == "dind.io/inject"}
    return {**pod, "metadata": {**pod["metadata"], "name": "ci", "annotations": annotations}}


@settings(
    max_examples=int(os.environ.get("E2E_GENERATED_PODS", "100")),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(pod=generated_pods(), labels=st.sampled_from(["enabled", "sidecar", "daemonset"]))
def test_a_generated_pod_is_injected_as_by_the_core_or_refused(
    operators: Operators, pod: Manifest, labels: str
) -> None:
    check(operators.of_defaults(), operators.outside, pod, labels)


# What an operator may set, and whether the plain pod of each mode is injected
CONSTANTS: list[dict[str, Any]] = [
    {"defaults": {"client": True}},
    {"defaults": {"client": "/opt/docker"}, "image_volumes": False},
    {"defaults": {"proxy": "http://proxy.example:3128", "no-proxy": ".example"}, "proxy_clients": True},
    {"defaults": {"proxy": "http://proxy.example:3128"}, "start_script": False},
    {"defaults": {"registry-secret": "registry"}},
    {"defaults": {"registry-secret": "registry", "proxy": "http://proxy.example:3128", "client": True}},
    {"defaults": {"isolation": "userns", "client": True}},
    {"defaults": {"isolation": "userns"}, "runtime_classes": {"userns": "userns"}},
    {"defaults": {"isolation": "auto"}},
    {"defaults": {"isolation": "auto"}, "allowed_isolations": []},
    *({"defaults": {"isolation": name}, "runtime_classes": {name: name}} for name in ("sysbox", "kata", "gvisor")),
]


def pods_of_constants() -> Iterator[tuple[str, Manifest]]:
    """Yield names and members of pods that differ in what the operator's constants depend on."""
    configs = [{"name": "DOCKER_CONFIG", "value": "/home/ci"}, {"name": "BUILDX_CONFIG", "value": "/home/ci"}]
    envs = [
        [{"name": "http_proxy", "value": ""}],
        [{"name": "Https_Proxy", "value": "http://own.example"}, {"name": "HOME", "value": "/"}],
        [configs[0]],
        [configs[1]],
        [*configs, {"name": "DOCKER_CONFIG", "value": "/etc/dind-config"}],
        [{"name": "DOCKER_CONFIG", "value": "/run/dind/docker-config"}],
    ]
    clients = [{"name": f"env-{number}", "image": "x", "env": env} for number, env in enumerate(envs)]
    for number, path in enumerate(("/home/ci/.docker", "/.docker/", "/usr/local", "/usr/local/sbin", "/opt/docker/x")):
        mount = {"name": f"mount-{number}", "image": "x", "volumeMounts": [{"name": "work", "mountPath": path}]}
        yield f"mount at {path}", {"containers": [mount], "volumes": [{"name": "work", "emptyDir": {}}]}
    yield "clients", {"containers": clients, "initContainers": [{"name": "first", "image": "x"}]}
    yield "user", {"securityContext": {"runAsUser": 1000}}
    for member in ("runAsUser", "runAsGroup", "fsGroup"):
        yield member, {"securityContext": {member: 70_000}}
    yield "groups", {"securityContext": {"supplementalGroups": [65_535, 65_536]}}
    yield (
        "group of a container",
        {"containers": [{"name": "a", "image": "x", "securityContext": {"runAsGroup": 80_000}}]},
    )
    for name, source in (
        ("nfs", {"server": "nfs.example", "path": "/"}),
        ("azureFile", {"secretName": "a", "shareName": "b"}),
    ):
        yield name, {"volumes": [{"name": "work", name: source}]}
    claim = {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}
    device = [{"name": "disk", "devicePath": "/dev/x"}]
    yield "device", {"containers": [{"name": "a", "image": "x", "volumeDevices": device}], "volumes": [claim]}
    for users in (True, False):
        yield f"hostUsers: {users}", {"hostUsers": users}
    for name in ("", "kata", "userns"):
        yield f"RuntimeClass {name}", {"runtimeClassName": name} if name else {}
    yield "hostNetwork", {"hostNetwork": True}


@pytest.mark.parametrize("constants", CONSTANTS, ids=json.dumps)
def test_what_the_operator_sets_is_placed_as_by_the_core(operators: Operators, constants: dict[str, Any]) -> None:
    operator = operators.of_settings(constants)
    messages = {
        (mode, name): check(operator, operators.outside, a_pod(mode, **spec))
        for mode in ("sidecar", "daemonset")
        for name, spec in pods_of_constants()
    }
    assert messages["sidecar", "user"] == messages["daemonset", "user"] == ""
    refused = {key: message for key, message in messages.items() if NEEDS_WEBHOOK in message}
    # Only what the policies cannot do
    assert all("hostUsers" in message or "isolation none" in message for message in refused.values()), refused


def with_env(*variables: tuple[str, str]) -> Manifest:
    env = [{"name": name, "value": value} for name, value in variables]
    return {"containers": [{"name": "build", "image": "x", "env": env}]}


def with_volume(volume: str) -> Manifest:
    mount = {"name": volume, "mountPath": "/work"}
    return {
        "containers": [{"name": "build", "image": "x", "volumeMounts": [mount]}],
        "volumes": [{"name": volume, "emptyDir": {}}],
    }


def with_mount(path: str, **members: Any) -> Manifest:
    mounted = with_volume("work")
    mounted["containers"][0]["volumeMounts"][0].update(mountPath=path, **members)
    return mounted


_OURS = "unix:///run/dind/docker.sock"
# Pods for which rules of the core and conditions of the policies once differed, with the operator's settings
ONCE_DIFFERENT: list[tuple[dict[str, Any], Manifest]] = [
    ({}, with_volume("dind-client")),
    ({}, with_volume("dind-config")),
    ({"storage": False}, with_volume("dind-storage")),
    ({"defaults": {"registry-secret": "registry"}}, with_volume("dind-config")),
    ({"defaults": {"wait": "false"}}, {"containers": [{"name": "dind-wait", "image": "x"}]}),
    ({"defaults": {"isolation": "auto", "group": "70000"}}, {}),
    ({"defaults": {"isolation": "auto", "group": "70000"}}, {"hostUsers": False}),
    ({}, with_env(("DOCKER_TLS_VERIFY", "1"), ("DOCKER_TLS_VERIFY", ""))),
    ({}, with_env(("DOCKER_TLS_VERIFY", ""), ("DOCKER_TLS_VERIFY", "1"))),
    ({}, with_env(("DOCKER_TLS_VERIFY", "1"), ("DOCKER_HOST", "tcp://a:2376"), ("DOCKER_HOST", _OURS))),
    ({}, with_env(("DOCKER_TLS_VERIFY", "1"), ("DOCKER_HOST", _OURS), ("DOCKER_HOST", "tcp://a:2376"))),
    ({}, {"containers": [{"name": "own", "image": "plugins/gcr", "securityContext": {"privileged": True}}]}),
]


@pytest.mark.parametrize("constants", [{}, *(each for each, _ in ONCE_DIFFERENT if each)], ids=json.dumps)
def test_the_policies_follow_the_core_in_rare_pods(operators: Operators, constants: dict[str, Any]) -> None:
    operator = operators.of_settings(constants)
    for mode in ("sidecar", "daemonset"):
        for spec in (spec for each, spec in ONCE_DIFFERENT if each == constants):
            check(operator, operators.outside, a_pod(mode, **spec))
        for value in (mode, "x", "", "sidecar"):
            pod = a_pod(mode)
            pod["metadata"]["labels"] = {"dind.io/injected": value}
            check(operator, operators.outside, pod)


def test_a_pod_that_keeps_the_socket_of_the_node_is_left_alone(operators: Operators) -> None:
    pod = a_pod("", volumes=[{"name": "node", "hostPath": {"path": "/var/run/docker.sock"}}])
    pod["metadata"]["annotations"] = {"dind.io/node-socket": "deny"}
    assert check(operators.of_defaults(), operators.outside, pod, "dind.io/node-socket=replace") == ""


def test_a_pod_may_not_ask_for_shares_that_the_policies_do_not_place(operators: Operators) -> None:
    operator = operators.of_settings({"defaults": {"share-volumes": "false"}})
    for mode, text in (("sidecar", "true"), ("sidecar", "false"), ("daemonset", "true")):
        pod = a_pod(mode, {"dind.io/share-volumes": text}, **with_volume("work"))
        check(operator, operators.outside, pod)


@pytest.mark.parametrize("env", [[], [{"name": "DIND_ISOLATION", "value": "none"}]], ids=["without", "another"])
def test_a_changed_isolation_of_an_injected_pod_is_denied(operators: Operators, env: list[Manifest]) -> None:
    operator = operators.of_settings({"defaults": {"isolation": "userns"}})
    injected = ask(operator.namespace("enabled"), a_pod("sidecar")).pod
    assert injected is not None
    (daemon,) = (each for each in injected["spec"]["initContainers"] if each["name"] == "dind")
    daemon["env"] = [each for each in daemon["env"] if each["name"] != "DIND_ISOLATION"] + env
    message = check(operator, operators.outside, without_server_members(injected))
    assert "whose variable DIND_ISOLATION another webhook may have changed" in message


def pod_of_mounts(containers: int, own: int, shared: int, directory: str = "/w", mode: str = "sidecar") -> Manifest:
    """Return a pod whose containers each mount so many paths of their own, and so many of all."""
    made, volumes = [], {}
    for container in range(containers):
        # Each path has a volume of its own.
        places = [(f"{container}/{n}", f"work-{container}-{n}") for n in range(own)]
        places += [(f"all/{n}", f"all-{n}") for n in range(shared)]
        mounts = [{"name": name, "mountPath": f"{directory}/{path}", "subPath": "s"} for path, name in places]
        made.append({"name": f"c{container}", "image": "x", "volumeMounts": mounts})
        volumes.update({name: {"name": name, "emptyDir": {}} for _, name in places})
    return a_pod(mode, containers=made, volumes=list(volumes.values()))


# At the bounds of `size_rules`; each container also mounts the token.
MANY_MOUNTS = [
    (1, 399, 0, "/w"),
    (50, 7, 0, "/w"),
    (50, 0, 7, "/w"),
    (10, 0, 39, "/w"),
    (4, 72, 0, f"/{'long-name/' * 6}"),
    (4, 0, 72, f"/{'long-name/' * 6}"),
    # Each step of Tekton mounts the directories of all steps.
    (14, 1, 26, "/tekton"),
]


# With the most mounts of each client
MOST_MOUNTS: dict[str, Any] = {"defaults": {"client": "true", "registry-secret": "registry"}}


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
@pytest.mark.parametrize("constants", [{}, MOST_MOUNTS], ids=["default", "most-mounts"])
@pytest.mark.parametrize("mounts", MANY_MOUNTS, ids=str)
def test_mounts_within_the_bounds_cost_no_more_than_an_api_server_allows(
    operators: Operators, mode: str, constants: dict[str, Any], mounts: tuple[int, int, int, str]
) -> None:
    operator = operators.of_settings(constants)
    pod = pod_of_mounts(*mounts, mode)
    for container in pod["spec"]["containers"]:
        container["securityContext"] = {"readOnlyRootFilesystem": True}
    assert check(operator, operators.outside, pod) == ""
    injected = ask(operator.namespace("enabled"), pod).pod
    assert injected is not None
    assert check(operator, operators.outside, without_server_members(injected)) == ""


def native_sidecar(pod: Manifest) -> Manifest:
    """Return a pod with its last container as a native sidecar."""
    pod["spec"]["initContainers"] = [{**pod["spec"]["containers"].pop(), "restartPolicy": "Always"}]
    return pod


def with_words(words: int, length: int, **container: Any) -> Manifest:
    """Return a pod with so many arguments of that length."""
    return {"containers": [{"name": "c", "image": "x", "args": ["x" * length] * words, **container}]}


PRIVILEGED = {"securityContext": {"privileged": True}}
TOO_LARGE: list[tuple[str, Manifest, str]] = [
    ("mounts", pod_of_mounts(1, 400, 0)["spec"], "have 401 mounts together"),
    ("mounts of 50", pod_of_mounts(50, 8, 0)["spec"], "have 450 mounts together"),
    ("same mounts", pod_of_mounts(12, 1, 33)["spec"], "have 420 mounts together"),
    ("mounts of 100", pod_of_mounts(100, 0, 20, f"/{'long-name/' * 6}")["spec"], "have 2100 mounts together"),
    ("native sidecar", native_sidecar(pod_of_mounts(2, 200, 0))["spec"], "have 402 mounts together"),
    ("paths", pod_of_mounts(1, 300, 0, f"/{'long-name/' * 7}")["spec"], "characters in the paths of their mounts"),
    ("script", with_words(15, 32_000, **PRIVILEGED), "have 480000 characters in their commands and arguments"),
]


@pytest.mark.parametrize("constants", [{}, MOST_MOUNTS], ids=["default", "most-mounts"])
@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
@pytest.mark.parametrize(("spec", "message"), [each[1:] for each in TOO_LARGE], ids=[each[0] for each in TOO_LARGE])
def test_larger_pods_are_refused_with_a_sentence(
    operators: Operators, constants: dict[str, Any], mode: str, spec: Manifest, message: str
) -> None:
    told = check(operators.of_settings(constants), operators.outside, a_pod(mode, **copy.deepcopy(spec)))
    assert message in told
    assert NEEDS_WEBHOOK in told


@pytest.mark.parametrize("words", [1, 9])
def test_a_long_script_costs_no_more_than_an_api_server_allows(operators: Operators, words: int) -> None:
    for image in ("x", "docker:29-dind"):
        spec = with_words(words, 300_000 // words - 10, **PRIVILEGED, image=image)
        assert "cost" not in check(operators.of_defaults(), operators.outside, a_pod("sidecar", **spec))


LONG_PATH = f"/{'a' * 4096}"
MANY_CONTAINERS = [{"name": f"c{number}", "image": "x"} for number in range(1001)]
MALFORMED = [
    with_mount(LONG_PATH),
    with_mount("/a", subPath=LONG_PATH),
    with_mount("/a", subPathExpr=LONG_PATH),
    {"volumes": [{"name": "node", "hostPath": {"path": LONG_PATH}}]},
    {"containers": MANY_CONTAINERS, "automountServiceAccountToken": False},
    {"initContainers": MANY_CONTAINERS, "automountServiceAccountToken": False},
]


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
@pytest.mark.parametrize("spec", MALFORMED)
def test_members_that_are_too_long_for_the_core_are_denied(operators: Operators, mode: str, spec: Manifest) -> None:
    message = check(operators.of_defaults(), operators.outside, a_pod(mode, **spec))
    assert ": must be " in message


QUANTITIES = [
    {"cpu-request": "1", "cpu-limit": "1.5", "memory-request": "1.5Gi", "memory-limit": "3G"},
    {"cpu-request": "0.5", "memory-limit": "8589934592", "ephemeral-storage-request": "3Gi", "storage-size": "50Gi"},
    {"storage-size": "0.5Gi", "memory-limit": "0.5T"},
    {"cpu-limit": "250m", "memory-limit": "524288Ki"},
]


@pytest.mark.parametrize("quantities", QUANTITIES, ids=" ".join)
@pytest.mark.parametrize("limits", [{}, {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}], ids=["", "limits"])
@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_a_pod_chooses_quantities(
    mode: str, limits: dict[str, str], quantities: dict[str, str], operators: Operators
) -> None:
    annotations = {f"dind.io/{name}": text for name, text in quantities.items()}
    pod = a_pod(mode, annotations, containers=[{"name": "build", "image": "build", "resources": {"limits": limits}}])
    assert check(operators.of_defaults(), operators.outside, pod) == ""


def test_no_pod_gets_more_than_the_bounds(kube: Kube, operators: Operators) -> None:
    settings = {"max": {"memory-limit": "8Gi"}, "allowed_options": ["memory-limit"]}
    with ExitStack() as stack:
        operator = Operator(kube, stack, make_policy(InjectionSettings.model_validate(settings)))
        messages = [
            check(operator, operators.outside, a_pod("sidecar", {f"dind.io/{name}": text}))
            for name, text in (("memory-limit", "8Gi"), ("memory-limit", "8193Mi"), ("memory-request", "1Gi"))
        ]
    assert messages[0] == ""
    assert 'dind.io/memory-limit: "8193Mi" is more than 8Gi, the most that' in messages[1]
    assert "annotation dind.io/memory-request may not be set in this cluster" in messages[2]


REFUSED: list[tuple[str, Manifest, str]] = [
    (
        "long value",
        a_pod("sidecar" * 1000),
        'annotation dind.io/inject: "' + ("sidecar" * 9)[:61] + '..." is not accepted; use one of sidecar, daemonset',
    ),
    ("two lines", a_pod("side\ncar"), 'annotation dind.io/inject: "side\\ncar" is not accepted; use one of sidecar'),
    (
        "long path",
        a_pod("sidecar", **with_mount("/run/dind/docker.sock/" + "x" * 4000)),
        " at " + "/run/dind/docker.sock/" + "x" * 39 + "..., which is in the way of the Docker socket",
    ),
    ("path of two lines", a_pod("sidecar", **with_mount("/a\n/../b")), "at /a\\n/../b, and only the webhook"),
    (
        "quantity",
        a_pod("sidecar", {"dind.io/memory-limit": "none"}),
        "read amounts of the form 512Mi, 1.5Gi or 2G, and only the webhook dind-webhook can read others; remove it, or",
    ),
    (
        "none",
        a_pod("sidecar", {"dind.io/memory-request": "8Gi", "dind.io/memory-limit": "none"}),
        "annotation dind.io/memory-limit: the policies of this cluster read amounts of the form 512Mi, 1.5Gi or",
    ),
    (
        "long",
        a_pod("sidecar", {"dind.io/memory-limit": "1" * 200_000}),
        "annotation dind.io/memory-limit: the policies of this cluster read amounts of the form 512Mi, 1.5Gi or",
    ),
    (
        "request",
        a_pod("sidecar", {"dind.io/cpu-request": "2500m"}),
        "dind.io/cpu-request is 2500m, more than dind.io/cpu-limit, which is 2; lower the request or set",
    ),
    ("option", a_pod("sidecar", {"dind.io/mtu": "1400"}), "annotation dind.io/mtu: the policies of this cluster apply"),
    ("hostUsers", a_pod("sidecar", hostUsers=False), "spec.hostUsers: false asks for isolation userns, which only"),
    ("resources", a_pod("sidecar", resources={"limits": {"cpu": "1"}}), "spec.resources of the pod cannot be compared"),
    (
        "daemon",
        a_pod("sidecar", initContainers=[{"name": "own", "image": "docker:29-dind", "restartPolicy": "Always"}]),
        'container "own" may run a Docker daemon of its own, and only the webhook',
    ),
    ("hostNetwork", a_pod("sidecar", hostNetwork=True), "spec.hostNetwork is true: the daemon would put its bridge"),
    (
        "program",
        a_pod("sidecar", initContainers=[{"name": "own", "image": "x", "command": ["/bin/dockerd"]}]),
        'container "own" runs a Docker daemon of its own (its command)',
    ),
    (
        "socket",
        a_pod("daemonset", volumes=[{"name": "node", "hostPath": {"path": "/var/run/docker.sock"}}]),
        'volume "node" mounts /var/run/docker.sock of the node, which is the node\'s own Docker socket',
    ),
    (
        "status",
        a_pod("sidecar", {"dind.io/status": "{}"}),
        'annotation dind.io/status says that the pod was injected, but it has no container "dind"; remove the annot',
    ),
    (
        "image",
        a_pod(
            "sidecar",
            containers=[{"name": "build", "image": "x", "volumeMounts": [{"name": "own", "mountPath": "/run"}]}],
            volumes=[{"name": "own", "image": {"reference": "x"}}],
        ),
        'container "build" mounts volume "own" at /run, which is in the way of the Docker socket at /run/dind',
    ),
    (
        "name",
        a_pod("sidecar", volumes=[{"name": "dind-run", "emptyDir": {}}]),
        'the pod has a volume "dind-run" of its own, a name that injection needs',
    ),
]


@pytest.mark.parametrize(("pod", "message"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_a_refusal_names_the_reason(operators: Operators, pod: Manifest, message: str) -> None:
    assert message in check(operators.of_defaults(), operators.outside, pod)


def test_a_pod_whose_namespace_asks_is_left_alone_if_the_core_leaves_it_alone(operators: Operators) -> None:
    pod = a_pod("", hostNetwork=True)
    del pod["metadata"]["annotations"]["dind.io/inject"]
    assert check(operators.of_defaults(), operators.outside, pod, "sidecar") == ""


@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
@pytest.mark.parametrize(
    "homeless",
    [
        {"securityContext": {"runAsUser": 1000}},
        {"securityContext": {"runAsNonRoot": True}},
        {"env": [{"name": "HOME", "value": "/root"}, {"name": "HOME", "value": "/"}]},
    ],
)
def test_a_client_without_a_home_gets_its_directory(operators: Operators, mode: str, homeless: Manifest) -> None:
    others = [{"name": "root", "image": "x"}, {"name": "own", "image": "x", "env": [{"name": "DOCKER_CONFIG"}]}]
    pod = a_pod(mode, containers=[{"name": "build", "image": "x", **homeless}, *others], initContainers=[
        {"name": "prepare", "image": "x", **homeless},
    ])  # fmt: skip
    assert check(operators.of_defaults(), operators.outside, pod) == ""


_READ_ONLY = {"readOnlyRootFilesystem": True}
_UNKNOWN = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
# The environment of a container with a read-only root file system, and its mounts as volume and path
READ_ONLY_CLIENTS: list[tuple[Manifest, list[tuple[str, str]]]] = [
    ({}, []),
    ({"BUILDX_CONFIG": "/tmp/buildx"}, []),
    ({"BUILDKIT_NO_CLIENT_TOKEN": "0"}, []),
    ({"DOCKER_CONFIG": "/work/docker"}, []),
    ({"DOCKER_CONFIG": "/work/docker"}, [("own", "/work/")]),
    ({"DOCKER_CONFIG": "/work/docker"}, [("secret", "/work/docker")]),
    ({"DOCKER_CONFIG": "/work/docker"}, [("own", "/work/dock")]),
    ({"DOCKER_CONFIG": "/work/docker", "HOME": "/work"}, [("own", "/work/docker/buildx")]),
    ({"DOCKER_CONFIG": "/.docker"}, []),
    ({"DOCKER_CONFIG": ""}, [("own", "/work")]),
    ({"DOCKER_CONFIG": None}, []),
    ({"HOME": None}, []),
    ({"HOME": ""}, []),
    ({"HOME": "//"}, []),
    ({"HOME": "/work"}, []),
    ({"HOME": "/work"}, [("own", "/root")]),
    ({"HOME": "/work/./a"}, [("own", "/work/a/.docker")]),
    ({"HOME": "/work"}, [("own", "/work"), ("secret", "/work/.docker")]),
    ({"HOME": "/work"}, [("secret", "/work/.docker"), ("own", "/work/.docker/buildx"), ("own", "/work")]),
    ({"DOCKER_CONFIG": "/work/docker"}, [("own", "/work"), ("secret", "/work/docker")]),
    ({"DOCKER_CONFIG": "/.docker/ci"}, []),
    ({}, [("own", "/root"), ("secret", "/root/.docker")]),
    ({}, [("own", "/root"), ("secret", "/root/.docker"), ("own", "/root/.docker/buildx")]),
    ({}, [("own", "/home/ci"), ("secret", "/root/.docker")]),
    ({}, [("own", "/root"), ("secret", "/root/.docker/config.json")]),
    ({}, [("own", "/home"), ("secret", "/home/ci/.docker")]),
    ({}, [("own", "/root/")]),
    ({}, [("secret", "/root")]),
    ({}, [("secret", "/root/.docker")]),
    ({}, [("own", "/home")]),
    ({}, [("own", "/home/ci")]),
    ({}, [("own", "/home/ci/work")]),
    ({}, [("own", "/var/ci/.docker/buildx")]),
    ({}, [("secret", "/.docker")]),
    ({}, [("secret", "/.docker/config.json")]),
]


@pytest.mark.parametrize("user", [{}, {"runAsUser": 1000}])
@pytest.mark.parametrize("mode", ["sidecar", "daemonset"])
def test_a_read_only_client_gets_a_directory_for_buildx(operators: Operators, mode: str, user: Manifest) -> None:
    containers = [
        {
            "name": f"build-{number}",
            "image": "x",
            "securityContext": {**_READ_ONLY, **user},
            "env": [{"name": name, **(_UNKNOWN if value is None else {"value": value})} for name, value in env.items()],
            "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in mounts],
        }
        for number, (env, mounts) in enumerate(READ_ONLY_CLIENTS)
    ]
    volumes = [{"name": "own", "emptyDir": {}}, {"name": "secret", "secret": {"secretName": "a"}}]
    pod = a_pod(mode, containers=containers, volumes=volumes)
    assert check(operators.of_defaults(), operators.outside, pod) == ""


# With the token, 4 and 8 mounts of each container
@pytest.mark.parametrize(("own", "shared"), [(0, 3), (3, 0), (7, 0), (0, 7), (3, 4)])
def test_a_pod_of_50_containers_takes_less_than_a_tenth_of_the_budget(kube: Kube, own: int, shared: int) -> None:
    """An API server stops an expression that costs too much, and says no cost. Ten times as many are not too many."""
    settings = InjectionSettings.model_validate({"modes": ["sidecar"]})
    pod = pod_of_mounts(50, own, shared, "/work")
    for number, container in enumerate(containers := pod["spec"]["containers"]):
        container["env"] = [{"name": f"E{number}", "value": "x"} for number in range(12)]
        for place, mount in enumerate(container["volumeMounts"]):
            mount.update(name="work", subPath=f"s{place}", readOnly=number % 2 == 0)
    pod["spec"]["volumes"] = [{"name": "work", "emptyDir": {}}]
    pod["spec"]["initContainers"] = containers[:10]
    pod["spec"]["containers"] = containers[10:]
    with ExitStack() as stack:
        operator = Operator(kube, stack, make_policy(settings), repetitions=COST_REPETITIONS)
        answer = ask(operator.namespace("enabled"), pod)
        assert answer.pod is not None, answer.message
        assert "dind.io/status" in answer.pod["metadata"]["annotations"]


def test_an_injected_pod_has_no_mark_of_a_denial(operators: Operators) -> None:
    pod = a_pod("sidecar", {"policy.dind.io/denied": "true"})
    injected = ask(operators.of_defaults().namespace("enabled"), pod).pod
    assert injected is not None
    assert injected["metadata"]["annotations"].keys() >= {"dind.io/status"}
    assert "policy.dind.io/denied" not in injected["metadata"]["annotations"]


def test_the_binding_that_is_missing_is_named(kube: Kube) -> None:
    with ExitStack() as stack:
        operator = Operator(kube, stack, make_policy(InjectionSettings.model_validate({"modes": ["sidecar"]})))
        namespace = operator.namespace("enabled")
        binding = {"kind": "MutatingAdmissionPolicyBinding", "name": f"{operator.name}-sidecar", "version": ADMISSION}
        removed = kube.get(**binding)
        kube.delete(**binding)
        # The end of the block deletes the binding too.
        stack.callback(
            kube.make,
            {key: removed[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": binding["name"]}},
        )
        until("the binding to be gone", lambda: "is its binding there?" in ask(namespace, a_pod("sidecar")).message)
