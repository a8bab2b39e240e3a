"""The verdict on a pod template: each row of the table in dind_webhook/migration/examine.py, each problem by name."""

from importlib import import_module
from time import process_time
from typing import Any

import jsonpatch
import pytest
from pods import operator_policy

from dind_webhook.injection import Mode, Outcome, decide_for_namespace
from dind_webhook.migration import Finding, MigrationRequest, Verdict, examine
from dind_webhook.migration.removal import Removal
from dind_webhook.model import JsonObject

# `dind_webhook.migration` exports a function of this name.
migration_examine = import_module("dind_webhook.migration.examine")
SOCKET = {"name": "docker", "hostPath": {"path": "/var/run/docker.sock"}}
MOUNT = {"name": "docker", "mountPath": "/var/run/docker.sock"}
PRIVILEGED = {"privileged": True}
GRAPH = {"name": "graph", "mountPath": "/var/lib/docker"}
CLIENT = {"env": [{"name": "DOCKER_HOST", "value": "tcp://localhost:2375"}]}
DIND = {"name": "dind", "image": "docker:29-dind", "securityContext": PRIVILEGED}


def build(**members: Any) -> JsonObject:
    return {"name": "build", "image": "registry.example/build:1", "volumeMounts": [MOUNT], **members}


def template(*containers: JsonObject, annotations: JsonObject | None = None, **spec: Any) -> JsonObject:
    metadata = {} if annotations is None else {"metadata": {"annotations": annotations}}
    return {**metadata, "spec": {"containers": list(containers), "volumes": [SOCKET], **spec}}


def with_daemon(daemon: JsonObject | None = None, client: JsonObject | None = None, **spec: Any) -> JsonObject:
    """Return a template of a client and a daemon, each with these members."""
    cli = {"name": "build", "image": "docker:cli", **(CLIENT if client is None else client)}
    return template(cli, {**DIND, **(daemon or {})}, **{"volumes": [], **spec})


def found(pod: JsonObject, kind: str = "Deployment", mode: Mode = Mode.SIDECAR, **settings: Any) -> Finding:
    finding = examine(pod, kind, MigrationRequest(mode, operator_policy(**settings)))
    assert finding is not None
    return finding


def rewritten(pod: JsonObject, **settings: Any) -> JsonObject:
    """Return a template as the finding rewrites it; it must be one that the webhook injects."""
    finding = found(pod, **settings)
    assert finding.verdict is Verdict.CONVERTS, finding.reason
    result: JsonObject = jsonpatch.apply_patch(pod, list(finding.operations))
    assert decide_for_namespace(result, "enabled", operator_policy()).outcome is Outcome.INJECTED
    return result


@pytest.mark.parametrize(
    "pod",
    [
        template({"name": "a"}, volumes=[{"name": "w", "hostPath": {"path": "/data"}}]),
        template({"name": "a"}, volumes=None),
        template({"name": "a"}, annotations={"dind.io/inject": "sidecar"}, volumes=[]),
        {"metadata": {"labels": {"app.kubernetes.io/part-of": "dind-webhook"}}, "spec": {"containers": [DIND]}},
        {"spec": {"containers": []}},
        {"spec": 1},
        {},
    ],
)
def test_a_pod_that_uses_neither_is_not_a_finding(pod: JsonObject) -> None:
    assert examine(pod, "Pod", MigrationRequest(Mode.SIDECAR, operator_policy())) is None


def test_an_injected_pod_is_not_a_finding() -> None:
    pod = template({"name": "a"}, annotations={"dind.io/inject": "sidecar"}, volumes=[])
    injected = jsonpatch.apply_patch(pod, list(decide_for_namespace(pod, "enabled", operator_policy()).operations))
    assert examine(injected, "Pod", MigrationRequest(Mode.SIDECAR, operator_policy())) is None


def test_the_socket_and_its_mounts_go_and_the_annotations_come() -> None:
    pod = template(build(), {"name": "log"})
    assert rewritten(pod) == {
        "metadata": {"annotations": {"dind.io/inject": "sidecar", "dind.io/containers": "build"}},
        "spec": {"containers": [{"name": "build", "image": "registry.example/build:1"}, {"name": "log"}]},
    }


def test_other_volumes_mounts_and_annotations_stay() -> None:
    work = {"name": "work", "mountPath": "/work"}
    pod = template(
        build(volumeMounts=[work, MOUNT]), volumes=[SOCKET, {"name": "work", "emptyDir": {}}], annotations={"a/b": "c"}
    )
    assert rewritten(pod) == {
        "metadata": {"annotations": {"a/b": "c", "dind.io/inject": "sidecar"}},
        "spec": {"containers": [build(volumeMounts=[work])], "volumes": [{"name": "work", "emptyDir": {}}]},
    }


def test_a_docker_host_that_led_to_the_mount_goes_with_it() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "DOCKER_HOST", "value": "unix:///host/docker.sock"}]
    pod = template(build(env=env, volumeMounts=[{"name": "docker", "mountPath": "/host/docker.sock"}]))
    assert rewritten(pod)["spec"]["containers"][0]["env"] == env[:1]


def test_a_docker_host_at_the_default_path_stays() -> None:
    env = [{"name": "DOCKER_HOST", "value": "unix:///var/run/docker.sock"}]
    assert rewritten(template(build(env=env)))["spec"]["containers"][0]["env"] == env


def test_an_annotation_that_is_there_is_kept() -> None:
    annotations = {"dind.io/inject": "sidecar", "dind.io/containers": "build,log"}
    pod = template(build(), {"name": "log"}, annotations=annotations)
    assert rewritten(pod)["metadata"]["annotations"] == annotations
    assert found(pod).reason == 'removes volume "docker"'


def test_an_init_container_gets_docker_from_a_native_sidecar() -> None:
    pod = template({"name": "a"}, initContainers=[build(name="prepare")])
    assert rewritten(pod)["metadata"]["annotations"]["dind.io/containers"] == "prepare"


def test_an_init_container_before_an_ordinary_container_needs_a_person() -> None:
    pod = template(build(), initContainers=[build(name="prepare")], annotations={"dind.io/placement": "container"})
    assert found(pod).reason == 'the webhook would give no Docker to container "prepare"'


def test_the_mode_is_that_of_the_request() -> None:
    finding = found(template(build()), mode=Mode.DAEMONSET, modes=["sidecar", "daemonset"])
    assert finding.verdict is Verdict.CONVERTS
    assert finding.operations[-1]["value"] == {"annotations": {"dind.io/inject": "daemonset"}}


def test_a_mode_that_is_off_needs_a_person() -> None:
    finding = found(template(build()), mode=Mode.DAEMONSET, modes=["sidecar"])
    assert finding.verdict is Verdict.NEEDS_A_PERSON
    assert "mode daemonset is switched off" in finding.reason


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (
            template(build(), volumes=[{"name": "docker", "hostPath": {"path": "/run"}}]),
            "mounts /run of the node, through",
        ),
        (template(build(), volumes=[{"name": "docker", "hostPath": {"path": "/proc/1/root"}}]), "through which"),
        (
            template(build(), volumes=[{"name": "docker", "hostPath": {"path": "/run/containerd/containerd.sock"}}]),
            "the socket of containerd, which the injected daemon cannot replace",
        ),
        (template(build(volumeMounts=[])), "but no container mounts the volume"),
        (template(build(volumeMounts=[{**MOUNT, "subPath": "x"}])), "mounts a part of volume"),
        (template(build(volumeMounts=[{**MOUNT, "subPathExpr": "$(A)"}])), "mounts a part of volume"),
        (template(build(volumeMounts=[{**MOUNT, "mountPath": "/x.sock"}])), "mounts the socket at /x.sock, and no"),
        (template(build(env=[{"name": "DOCKER_HOST", "value": "tcp://d:2375"}])), "another DOCKER_HOST (tcp://d:2375)"),
        (template(build(env=[{"name": "DOCKER_HOST", "valueFrom": {}}])), "another DOCKER_HOST (not in the file)"),
        (
            template(build(), volumes=[SOCKET, {"name": "lib", "hostPath": {"path": "/var/lib/docker/volumes"}}]),
            "the files of the node's own Docker",
        ),
        (
            template(build(), volumes=[SOCKET, {"name": "cli", "hostPath": {"path": "/usr/local/bin/docker"}}]),
            "the node's own Docker client",
        ),
        (template(build(), hostNetwork=True), "the webhook would not inject it: spec.hostNetwork is true"),
        (template(build(), annotations={"dind.io/memroy": "1Gi"}), "the webhook would not inject it"),
        ({"spec": {"volumes": [SOCKET]}}, "the pod cannot be read: spec.containers: is missing"),
    ],
)
def test_what_is_in_the_way_of_a_socket_needs_a_person(pod: JsonObject, reason: str) -> None:
    finding = found(pod)
    assert (finding.verdict, finding.operations) == (Verdict.NEEDS_A_PERSON, ())
    assert reason in finding.reason


def test_a_daemon_goes_with_its_volumes_and_the_variables_that_lead_to_it() -> None:
    certs = {"name": "certs", "mountPath": "/certs/client"}
    client = {
        "env": [
            {"name": "DOCKER_HOST", "value": "tcp://127.0.0.1:2376"},
            {"name": "DOCKER_TLS_VERIFY", "value": "1"},
            {"name": "DOCKER_CERT_PATH", "value": "/certs/client"},
            {"name": "CI", "value": "true"},
        ],
        "volumeMounts": [certs],
    }
    env = [{"name": "DOCKER_TLS_CERTDIR", "value": "/certs"}, {"name": "DOCKER_TLS_VERIFY", "value": "1"}]
    daemon = {"env": env, "volumeMounts": [certs, GRAPH]}
    volumes = [{"name": "certs", "emptyDir": {}}, {"name": "graph", "emptyDir": {"sizeLimit": "30Gi"}}]
    assert rewritten(with_daemon(daemon, client, volumes=volumes)) == {
        "metadata": {"annotations": {"dind.io/inject": "sidecar", "dind.io/storage-size": "30Gi"}},
        "spec": {"containers": [{"name": "build", "image": "docker:cli", "env": [{"name": "CI", "value": "true"}]}]},
    }


def test_the_resources_of_a_daemon_become_options() -> None:
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "3", "memory": "3Gi"}}
    assert rewritten(with_daemon({"resources": resources}))["metadata"]["annotations"] == {
        "dind.io/inject": "sidecar",
        "dind.io/cpu-request": "1",
        "dind.io/cpu-limit": "3",
        "dind.io/memory-request": "3Gi",
        "dind.io/memory-limit": "3Gi",
    }


def test_a_shared_socket_directory_goes_from_daemon_and_client() -> None:
    shared = {"name": "run", "mountPath": "/var/run"}
    pod = with_daemon({"volumeMounts": [shared]}, {"volumeMounts": [shared]}, volumes=[{"name": "run", "emptyDir": {}}])
    assert rewritten(pod)["spec"] == {"containers": [{"name": "build", "image": "docker:cli"}]}


def test_a_workspace_that_the_client_mounts_too_stays_with_the_client() -> None:
    work = {"name": "work", "mountPath": "/work"}
    volumes = [{"name": "work", "emptyDir": {}}]
    spec = rewritten(with_daemon({"volumeMounts": [work]}, {**CLIENT, "volumeMounts": [work]}, volumes=volumes))["spec"]
    assert spec["volumes"] == volumes
    assert spec["containers"][0]["volumeMounts"] == [work]


@pytest.mark.parametrize("args", [[], ["--host=tcp://0.0.0.0:2375", "--tls=false"], ["dockerd", "-H", "tcp://:2375"]])
def test_flags_about_listening_are_dropped(args: list[str]) -> None:
    assert [each["name"] for each in rewritten(with_daemon({"args": args}))["spec"]["containers"]] == ["build"]


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (with_daemon({"args": ["--mtu=1440"]}), "starts dockerd with mtu; use annotation dind.io/mtu"),
        (with_daemon({"args": ["--log-level", "warn"]}), "with log-level; use annotation dind.io/dockerd-args"),
        (with_daemon({"args": ["--data-root=/x"]}), "starts dockerd with data-root; remove it"),
        (with_daemon({"command": ["sh", "-c", "dockerd"]}), "starts a Docker daemon itself (its command)"),
        (with_daemon({"image": "registry.example/ci-dind:1"}), "not with the official image"),
        (with_daemon({"image": "docker:29-dind-rootless"}), "without privileges"),
        (with_daemon({"securityContext": {}}), "without privileges"),
        (
            with_daemon({"env": [{"name": "HTTP_PROXY", "value": "x"}]}),
            "sets variable HTTP_PROXY; use annotation dind.io/env",
        ),
        (with_daemon({"ports": [{"containerPort": 9323}]}), "has other ports"),
        (with_daemon({"lifecycle": {"postStart": {}}}), "has lifecycle, which the injected daemon does not have"),
        (with_daemon({"envFrom": []}), "has envFrom"),
        (
            with_daemon({"resources": {"limits": {"example.com/gpu": 1}}}),
            "resources that have no option: example.com/gpu",
        ),
        (
            with_daemon(
                {"volumeMounts": [GRAPH]}, volumes=[{"name": "graph", "persistentVolumeClaim": {"claimName": "x"}}]
            ),
            "starts with an empty store",
        ),
        (
            with_daemon({"volumeMounts": [GRAPH]}, volumes=[{"name": "graph", "emptyDir": {"medium": "Memory"}}]),
            "stores its data in memory",
        ),
        (
            with_daemon(
                {"volumeMounts": [{"name": "c", "mountPath": "/etc/docker"}]}, volumes=[{"name": "c", "configMap": {}}]
            ),
            'mounts volume "c" at /etc/docker, which the injected daemon does not have',
        ),
        (
            with_daemon(client={"env": [{"name": "DOCKER_HOST", "value": "tcp://docker:2375"}]}),
            "may lead to another daemon",
        ),
        (with_daemon(client={"env": [{"name": "DOCKER_HOST", "valueFrom": {}}]}), "DOCKER_HOST (set from elsewhere)"),
        (
            with_daemon(client={"command": ["sh", "-c", "until nc -z localhost 2375; do :; done"]}),
            "names 2375 in its command",
        ),
        (
            with_daemon(client={"env": [{"name": "ENDPOINT", "value": "tcp://localhost:2376"}]}),
            "names 2376 in variable ENDPOINT",
        ),
        (with_daemon({"tty": True}), "has a terminal (tty, stdin)"),
        (with_daemon(client={}), "no other container shows how it reaches the Docker daemon"),
        (template(DIND, volumes=[]), "is the only one: other pods use its Docker daemon"),
        (
            with_daemon(
                {"args": ["--host=unix:///d/docker.sock"], "volumeMounts": [{"name": "d", "mountPath": "/d"}]},
                {"volumeMounts": [{"name": "d", "mountPath": "/d"}]},
                volumes=[{"name": "d", "emptyDir": {}}],
            ),
            "of the daemon at /d, and no DOCKER_HOST",
        ),
    ],
)
def test_what_is_in_the_way_of_a_daemon_needs_a_person(pod: JsonObject, reason: str) -> None:
    finding = found(pod)
    assert (finding.verdict, finding.operations) == (Verdict.NEEDS_A_PERSON, ())
    assert reason in finding.reason


def test_a_second_daemon_needs_a_person_by_the_denial_of_the_webhook() -> None:
    client = build(volumeMounts=[], **CLIENT)
    finding = found(template(client, DIND, {**DIND, "name": "other"}, volumes=[]))
    assert finding.reason.startswith('the webhook would not inject it: container "other" runs a Docker daemon')


def test_a_daemon_of_each_node_needs_the_chart() -> None:
    finding = found(with_daemon(), kind="DaemonSet")
    assert finding.verdict is Verdict.NEEDS_A_PERSON
    assert "install the chart with daemonset.enabled" in finding.reason


@pytest.mark.parametrize(
    ("pod", "kind", "reason"),
    [
        (template(build(), annotations={"dind.io/inject": "disabled"}), "Pod", "left as it is on purpose"),
        (with_daemon(annotations={"dind.io/inject": "disabled"}), "DaemonSet", "left as it is on purpose"),
        ({"metadata": {"labels": {"dind.io/inject": "disabled"}}, **template(build())}, "Pod", "on purpose"),
        (template(build(image="gcr.io/cadvisor/cadvisor:v1")), "Deployment", "is cAdvisor"),
        (template(build()), "DaemonSet", "a DaemonSet works on the node itself"),
        (template(build(), annotations={"kubernetes.io/config.mirror": "x"}), "Pod", "it is a static pod of a node"),
    ],
)
def test_what_is_no_build_is_left_alone(pod: JsonObject, kind: str, reason: str) -> None:
    finding = found(pod, kind)
    assert (finding.verdict, finding.operations) == (Verdict.IS_NO_BUILD, ())
    assert reason in finding.reason


@pytest.mark.parametrize("image", ["gcr.io/cadvisor/cadvisor:v1", "meltwater/docker-cleanup:1"])
def test_a_privileged_agent_with_the_data_root_of_the_node_is_no_daemon(image: str) -> None:
    volumes = [SOCKET, {"name": "graph", "hostPath": {"path": "/var/lib/docker"}}]
    agent = build(image=image, securityContext=PRIVILEGED, volumeMounts=[MOUNT, GRAPH])
    finding = found(template(agent, volumes=volumes), "DaemonSet")
    assert (finding.verdict, finding.daemon) == (Verdict.IS_NO_BUILD, "")


def test_a_privileged_agent_without_the_socket_is_not_a_finding() -> None:
    agent = build(image="gcr.io/cadvisor/cadvisor:v1", securityContext=PRIVILEGED, volumeMounts=[GRAPH])
    pod = template(agent, volumes=[{"name": "graph", "hostPath": {"path": "/var/lib/docker"}}])
    assert examine(pod, "DaemonSet", MigrationRequest(Mode.SIDECAR, operator_policy())) is None


def test_a_build_with_the_socket_and_the_data_root_of_the_node_is_no_daemon() -> None:
    volumes = [SOCKET, {"name": "graph", "hostPath": {"path": "/var/lib/docker"}}]
    finding = found(template(build(securityContext=PRIVILEGED, volumeMounts=[MOUNT, GRAPH]), volumes=volumes))
    assert (finding.verdict, finding.daemon) == (Verdict.NEEDS_A_PERSON, "")
    assert "the files of the node's own Docker" in finding.reason


def test_a_daemon_with_the_socket_of_the_node_is_still_found() -> None:
    finding = found(template({**DIND, "volumeMounts": [MOUNT, GRAPH]}))
    assert finding.daemon == "image docker:29-dind"


@pytest.mark.parametrize("source", [{"hostPath": {"path": "/data"}}, {"nfs": {"server": "x", "path": "/"}}])
def test_a_workspace_that_the_daemon_would_not_see_needs_a_person(source: JsonObject) -> None:
    mounts = [MOUNT, {"name": "h", "mountPath": "/work"}]
    finding = found(template(build(volumeMounts=mounts), volumes=[SOCKET, {"name": "h", **source}]))
    assert (finding.verdict, finding.operations) == (Verdict.NEEDS_A_PERSON, ())
    assert finding.reason == f"not shared with dind because of their kind: h ({next(iter(source))})"


def test_other_warnings_of_the_webhook_are_in_the_reason() -> None:
    finding = found(template(build(), annotations={"dind.io/placement": "container"}, restartPolicy="Never"))
    assert finding.verdict is Verdict.CONVERTS
    assert finding.reason.endswith("; dind is an ordinary container here: the pod will not complete while it runs")


def test_what_a_rewrite_would_leave_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration_examine, "plan_socket_removal", lambda *_: Removal())
    path = "/run/containerd/containerd.sock"
    user = build(volumeMounts=[{"name": "docker", "mountPath": path}])
    finding = found(template(user, volumes=[{"name": "docker", "hostPath": {"path": path}}]))
    assert finding.verdict is Verdict.NEEDS_A_PERSON
    assert finding.reason == f'the rewritten pod would still have volume "docker" with {path} of the node'


def test_a_claim_template_hides_a_socket_of_the_same_name() -> None:
    pod = with_daemon(volumes=[SOCKET])
    finding = examine(pod, "StatefulSet", MigrationRequest(Mode.SIDECAR, operator_policy()), ("docker",))
    assert finding is not None
    assert finding.verdict is Verdict.CONVERTS, finding.reason


@pytest.mark.parametrize(
    "volumes",
    [
        [SOCKET, SOCKET],
        [SOCKET, {"name": "docker", "emptyDir": {}}],
        [{"name": "docker", "emptyDir": {}}, SOCKET],
        [SOCKET, {"name": "work", "emptyDir": {}}, {"name": "work", "secret": {"secretName": "x"}}],
    ],
)
def test_volumes_with_the_same_name_need_a_person(volumes: list[JsonObject]) -> None:
    finding = found(template(build(), volumes=volumes))
    assert (finding.verdict, finding.operations) == (Verdict.NEEDS_A_PERSON, ())
    name = volumes[-1]["name"]
    assert finding.reason == f"the pod cannot be read: spec.volumes: more than one volume has the name {name}"


@pytest.mark.parametrize(
    "path", ["/var/snap/microk8s/common/run/containerd.sock", "/run/k0s/containerd.sock", "/var/run/dockershim.sock"]
)
def test_the_sockets_of_other_distributions_need_a_person(path: str) -> None:
    finding = found(template(build(), volumes=[{"name": "docker", "hostPath": {"path": path}}]))
    assert finding.verdict is Verdict.NEEDS_A_PERSON
    assert "which the injected daemon cannot replace" in finding.reason


@pytest.mark.parametrize("path", ["/var/snap/microk8s", "/var/snap/microk8s/common/"])
def test_a_directory_above_the_socket_of_microk8s_needs_a_person(path: str) -> None:
    finding = found(template(build(), volumes=[{"name": "docker", "hostPath": {"path": path}}]))
    assert finding.verdict is Verdict.NEEDS_A_PERSON
    assert "the socket of containerd and more" in finding.reason


@pytest.mark.parametrize("path", ["/var", "/var/snap", "/var/snap/microk8s/common/logs", "/var/snap/microk8sx"])
def test_a_directory_beside_the_socket_of_microk8s_is_not_a_finding(path: str) -> None:
    pod = template(build(), volumes=[{"name": "docker", "hostPath": {"path": path}}])
    assert examine(pod, "Pod", MigrationRequest(Mode.SIDECAR, operator_policy())) is None


def test_a_runner_in_a_daemonset_is_a_build() -> None:
    assert found(template(build(image="gitlab/gitlab-runner:v17")), "DaemonSet").verdict is Verdict.CONVERTS


def test_an_agent_beside_a_build_does_not_hide_it() -> None:
    assert found(template(build(), build(name="agent", image="datadog/agent:7"))).verdict is Verdict.CONVERTS


def test_a_finding_names_the_containers_the_paths_and_the_runtimes() -> None:
    volumes = [SOCKET, {"name": "cri", "hostPath": {"path": "/run/crio/crio.sock"}}]
    mounts = [MOUNT, {"name": "cri", "mountPath": "/run/crio/crio.sock"}]
    finding = found(template(build(volumeMounts=mounts), {"name": "log"}, DIND, volumes=volumes))
    assert finding.containers == ("build", "dind")
    assert finding.paths == ("/var/run/docker.sock", "/run/crio/crio.sock")
    assert (finding.runtimes, finding.daemon) == (("Docker", "CRI-O"), "image docker:29-dind")


def test_the_time_for_a_huge_pod_grows_with_its_size_alone() -> None:
    shared = [{"name": f"v{number}", "mountPath": f"/v{number}"} for number in range(4000)]
    volumes = [{"name": f"v{number}", "emptyDir": {}} for number in range(4000)]
    socket_mounts = [{"name": "docker", "mountPath": "/var/run/docker.sock"}] * 4000
    started = process_time()
    found(with_daemon({"volumeMounts": shared}, {"volumeMounts": shared}, volumes=volumes))
    found(template(build(volumeMounts=socket_mounts), volumes=[SOCKET] * 4000))
    assert process_time() - started < 10
