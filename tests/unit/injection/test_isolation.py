"""Which isolation a pod gets, and what it adds."""

from typing import Any

import pytest
from pods import a_container, a_pod, find_by_name, injected_pod, operator_policy

from dind_webhook.injection import Isolation, Mode, Outcome, Reason, inject
from dind_webhook.model import JsonObject
from dind_webhook.strict_policy.daemon import daemon_container

_CLASSES = {Isolation.SYSBOX: "sysbox-runc", Isolation.KATA: "kata", Isolation.GVISOR: "gvisor"}
_ALL = {"allowed_isolations": frozenset(Isolation), "runtime_classes": _CLASSES}
_NFS = {"volumes": [{"name": "data", "nfs": {"server": "s", "path": "/"}}]}
_BLOCK = {"containers": [a_container(volumeDevices=[{"name": "disk", "devicePath": "/dev/x"}])]}


def _default(isolation: str, **settings: Any) -> dict[str, Any]:
    return {**_ALL, "defaults": {"isolation": isolation}, **settings}


def _daemon(isolation: str, options: dict[str, str] | None = None, **settings: Any) -> JsonObject:
    pod = injected_pod(a_pod(options=options), operator_policy(**_default(isolation, **settings)))
    return find_by_name([*pod["spec"]["initContainers"], *pod["spec"]["containers"]], "dind")


@pytest.mark.parametrize(
    ("asked", "default", "spec", "isolation"),
    [
        (None, "none", {}, "none"),
        (None, "none", {"hostUsers": True}, "none"),
        (None, "none", {"hostUsers": None}, "none"),
        (None, "none", {"hostUsers": False}, "userns"),
        (None, "userns", {}, "userns"),
        (None, "userns", {"hostUsers": False}, "userns"),
        ("userns", "none", {}, "userns"),
        ("none", "userns", {}, "none"),
        ("none", "userns", {"hostUsers": True}, "none"),
        ("userns", "none", {"runtimeClassName": "crun"}, "userns"),
        (None, "auto", {}, "userns"),
        (None, "auto", {"hostUsers": True}, "none"),
        (None, "auto", _NFS, "none"),
        (None, "auto", _BLOCK, "none"),
        (None, "sysbox", {}, "sysbox"),
        ("kata", "none", {"runtimeClassName": "kata"}, "kata"),
    ],
)
def test_annotation_default_and_pod_decide_together(
    asked: str | None, default: str, spec: JsonObject, isolation: str
) -> None:
    policy = operator_policy(**_default(default))
    pod = a_pod(options={"isolation": asked} if asked else {}, **spec)
    decision = inject(pod, None, policy)
    assert (decision.reason, decision.isolation) == (Reason.INJECTED, isolation)
    injected = injected_pod(pod, policy)
    assert f'"isolation":"{isolation}"' in injected["metadata"]["annotations"]["dind.io/status"]
    assert (injected["spec"].get("hostUsers") is False) is (isolation in {"userns", "sysbox"})
    again = inject(injected, None, policy)
    assert (again.reason, again.isolation) == (Reason.UNCHANGED, isolation)


@pytest.mark.parametrize(
    ("asked", "spec", "says"),
    [
        ("userns", {"hostUsers": True}, "spec.hostUsers is true"),
        ("userns", {"hostNetwork": True}, "spec.hostNetwork is true"),
        ("userns", {"hostPID": True}, "spec.hostPID is true"),
        ("userns", {"hostIPC": True}, "spec.hostIPC is true"),
        ("userns", _NFS, 'NFS volume "data"'),
        ("userns", {"volumes": [{"name": "s", "azureFile": {"shareName": "x"}}]}, 'SMB volume "s"'),
        ("userns", _BLOCK, 'container "build" has volumeDevices'),
        ("none", {"hostUsers": False}, "contradicts spec.hostUsers: false; remove one of them"),
        ("kata", {"runtimeClassName": "runc"}, 'spec.runtimeClassName is "runc", but it needs "kata"'),
        ("sysbox", {"hostUsers": True}, "spec.hostUsers is true"),
    ],
)
def test_a_pod_that_cannot_have_it_is_denied(asked: str, spec: JsonObject, says: str) -> None:
    hosts = {"allow_host_network": True, "allow_host_pid": True, "allow_host_ipc": True}
    decision = inject(a_pod(options={"isolation": asked}, **spec), None, operator_policy(**_ALL, **hosts))
    assert (decision.reason, decision.outcome) == (Reason.ISOLATION, Outcome.DENIED)
    assert says in decision.message


@pytest.mark.parametrize(
    ("default", "allowed", "asked", "reason"),
    [
        ("none", {"userns"}, "userns", Reason.INJECTED),
        ("none", set(), "userns", Reason.OPTION_NOT_ALLOWED),
        ("userns", set(), "userns", Reason.INJECTED),
        ("userns", set(), "none", Reason.OPTION_NOT_ALLOWED),
        ("userns", {"none"}, "none", Reason.INJECTED),
        ("auto", set(), "none", Reason.OPTION_NOT_ALLOWED),
        ("auto", set(), "userns", Reason.INJECTED),
    ],
)
def test_pods_may_choose_the_default_and_what_the_operator_allows(
    default: str, allowed: set[str], asked: str, reason: Reason
) -> None:
    policy = operator_policy(allowed_isolations=frozenset(allowed), defaults={"isolation": default})
    decision = inject(a_pod(options={"isolation": asked}), None, policy)
    assert decision.reason is reason
    if reason is Reason.OPTION_NOT_ALLOWED:
        assert f"dind.io/isolation: {asked} is not allowed" in decision.message
        assert f"isolations that are: {'auto, userns' if default == 'auto' else default})" in decision.message


def test_auto_says_why_a_pod_is_not_isolated() -> None:
    decision = inject(a_pod(**_NFS), None, operator_policy(**_default("auto")))
    assert decision.warnings == (
        'isolation none instead of userns: NFS volume "data" cannot be mounted in a user namespace',
    )


def test_a_pod_that_had_a_user_namespace_keeps_it_in_its_status_only_with_hostusers_false() -> None:
    policy = operator_policy(**_default("auto"))
    pod = injected_pod(a_pod(), policy)
    pod["spec"]["hostUsers"] = True
    decision = inject(pod, None, policy)
    assert (decision.reason, decision.outcome) == (Reason.STALE_STATUS, Outcome.DENIED)


def test_without_a_runtime_class_root_of_the_user_namespace_is_privileged_in_it() -> None:
    none, userns = _daemon("none"), _daemon("userns")
    assert userns["securityContext"] == none["securityContext"]
    assert userns["env"] == [{"name": "DIND_ISOLATION", "value": "userns"}]
    assert {**userns, "env": None} == {**none, "env": None}


def test_with_a_runtime_class_no_container_is_privileged() -> None:
    settings = _default("userns", runtime_classes={"userns": "dind-userns", **_CLASSES})
    pod = injected_pod(a_pod(), operator_policy(**settings))
    assert (pod["spec"]["hostUsers"], pod["spec"]["runtimeClassName"]) == (False, "dind-userns")
    context = find_by_name(pod["spec"]["initContainers"], "dind")["securityContext"]
    assert (context["privileged"], context["procMount"]) == (False, "Unmasked")
    assert context["capabilities"] == {"add": ["NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"]}


def test_a_pod_cannot_set_the_variable_of_the_start_script() -> None:
    policy = operator_policy(**_default("userns", allowed_options=frozenset({"env"})))
    decision = inject(a_pod(options={"env": '{"DIND_ISOLATION": ""}'}), None, policy)
    assert decision.reason is Reason.INVALID_OPTION
    assert "sets DIND_ISOLATION, which only the webhook sets" in decision.message


def test_a_daemon_that_lost_the_variable_of_the_start_script_is_not_the_injected_one() -> None:
    policy = operator_policy(**_default("userns"))
    pod = injected_pod(a_pod(), policy)
    del find_by_name(pod["spec"]["initContainers"], "dind")["env"]
    decision = inject(pod, None, policy)
    assert (decision.reason, decision.outcome) == (Reason.STALE_STATUS, Outcome.DENIED)
    assert "variable DIND_ISOLATION another webhook may have changed" in decision.message


def test_without_the_start_script_no_pod_has_a_user_namespace() -> None:
    classes = {"userns": "dind-userns", **_CLASSES}
    policy = operator_policy(allowed_isolations=frozenset(Isolation), start_script=False, runtime_classes=classes)
    decision = inject(a_pod(options={"isolation": "userns"}), None, policy)
    assert decision.reason is Reason.ISOLATION
    assert "needs the operator's setting start_script" in decision.message


@pytest.mark.parametrize("isolation", ["userns", "auto", "sysbox"])
def test_a_default_that_no_pod_could_have_is_refused(isolation: str) -> None:
    with pytest.raises(ValueError, match=f"defaults.isolation {isolation} needs start_script: true"):
        operator_policy(**_default(isolation, start_script=False))


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ({"securityContext": {"runAsUser": 65536}}, {}),
        ({"securityContext": {"fsGroup": 1000640000}}, {}),
        ({"securityContext": {"supplementalGroups": [1, 70000]}}, {}),
        ({"containers": [a_container(securityContext={"runAsGroup": 70000})]}, {}),
        ({}, {"group": "65536"}),
    ],
)
def test_users_and_groups_must_fit_into_the_user_namespace(spec: JsonObject, options: dict[str, str]) -> None:
    decision = inject(a_pod(options={"isolation": "userns", **options}, **spec), None, operator_policy(**_ALL))
    assert decision.reason is Reason.ISOLATION
    assert "is above 65535, the largest one in a user namespace" in decision.message


@pytest.mark.parametrize("spec", [{}, {"hostUsers": False}, {**_NFS, "hostUsers": False}, {"hostUsers": True}])
def test_with_auto_alone_no_pod_asks_its_way_to_the_node(spec: JsonObject) -> None:
    decision = inject(
        a_pod(**spec), None, operator_policy(defaults={"isolation": "auto"}, allowed_isolations=frozenset())
    )
    assert (decision.reason, decision.isolation) in {
        (Reason.INJECTED, Isolation.USERNS),
        (Reason.ISOLATION, None),
    }


def test_other_runtimes_get_what_they_need() -> None:
    assert _daemon("sysbox")["securityContext"]["privileged"] is False
    assert "SYS_PTRACE" in _daemon("gvisor")["securityContext"]["capabilities"]["add"]
    assert {"--iptables=false", "--ip6tables=false"} <= set(_daemon("gvisor")["args"])
    kata = _daemon("kata")
    assert "lifecycle" not in kata
    assert kata["startupProbe"]["httpGet"] == {"path": "/metrics", "port": 9323, "scheme": "HTTP"}
    assert "ports" not in kata
    assert "--metrics-addr=0.0.0.0:9323" in kata["args"]


def test_with_kata_the_port_for_metrics_is_that_of_the_probe() -> None:
    container = daemon_container({"isolation": "kata", "metrics-port": "9323"})
    assert container["args"].count("--metrics-addr=0.0.0.0:9323") == 1
    assert container["ports"][0]["containerPort"] == container["startupProbe"]["httpGet"]["port"]
    with pytest.raises(
        ValueError, match=r"with dind\.io/isolation: kata the startup probe reads the metrics on port 9323"
    ):
        daemon_container({"isolation": "kata", "metrics-port": "9000"})


@pytest.mark.parametrize(("isolation", "reason"), [("none", Reason.INJECTED), ("userns", Reason.ISOLATION)])
def test_daemonset_mode_has_no_isolation(isolation: str, reason: Reason) -> None:
    decision = inject(a_pod("daemonset", {"isolation": isolation}), None, operator_policy(**_ALL))
    assert (decision.mode, decision.isolation, decision.reason) == (Mode.DAEMONSET, None, reason)
