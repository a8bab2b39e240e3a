"""The CEL of the advisory policy, evaluated by a real API server for dry-run requests."""

import copy
import time
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
from dry_run_api import INJECT, MIRROR, PLAIN, DryRunApi, pod
from helm import only, render
from kubernetes import client

from dind_webhook.injection import find_node_socket, misplaced_keys
from dind_webhook.model import WORKLOAD_KINDS, pod_templates

# A name of this run only: the objects are cluster-scoped.
RUN = f"chart-test-{token_hex(3)}"
NAME = f"{RUN}-advisory"

VERSIONS = dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "apps/v1")
VERSIONS |= {"Job": "batch/v1", "CronJob": "batch/v1"}
LABELS = {"app": "build"}
SOCKET = "/var/run/docker.sock"


def host_path(path: str, name: str = "docker-sock") -> dict[str, Any]:
    return {"name": name, "hostPath": {"path": path}}


def with_metadata(
    o: dict[str, Any], annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """Return a copy of an object, or of a pod template, with more metadata."""
    o = copy.deepcopy(o)
    metadata = o.setdefault("metadata", {})
    for member, added in (("annotations", annotations), ("labels", labels)):
        if added:
            metadata[member] = {**metadata.get(member, {}), **added}
    metadata.update(more)
    return o


def workload(kind: str, template: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """Return an object of a kind that makes pods of a template. A Pod is its own template."""
    if kind == "Pod":
        return with_metadata({"kind": kind, "apiVersion": "v1", **template}, **metadata)
    template = copy.deepcopy(template)
    template.setdefault("metadata", {}).pop("name", None)
    template = with_metadata(template, labels=LABELS)
    if kind in {"Job", "CronJob"}:
        template["spec"]["restartPolicy"] = "Never"
    body: dict[str, Any] = {
        "PodTemplate": {"template": template},
        "ReplicationController": {"spec": {"selector": LABELS, "template": template}},
        "Job": {"spec": {"template": template}},
        "CronJob": {"spec": {"schedule": "@yearly", "jobTemplate": {"spec": {"template": template}}}},
    }.get(kind, {"spec": {"selector": {"matchLabels": LABELS}, "template": template}})
    if kind == "StatefulSet":
        body["spec"]["serviceName"] = "web"
    return with_metadata(
        {"kind": kind, "apiVersion": VERSIONS.get(kind, "v1"), "metadata": {"name": "web"}, **body}, **metadata
    )


MOUNTS_SOCKET = pod(volumes=[host_path(SOCKET)])
ASKS = pod("sidecar")


@pytest.fixture(scope="module", autouse=True)
def policy(api: client.ApiClient, dry_run_api: DryRunApi) -> Iterator[None]:
    """Install the policy for the namespaces of this run, without the webhook."""
    admission = client.AdmissionregistrationV1Api(api)
    values = {
        "fullnameOverride": RUN,
        "policy": {"enabled": False, "advisory": {"enabled": True}},
        "webhook": {
            "namespaceSelector": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "In",
                    "values": list(dry_run_api.namespaces.values()),
                }
            ]
        },
    }
    objects = render(values, release="policy", namespace="policy")
    policy = copy.deepcopy(only(objects, "ValidatingAdmissionPolicy"))
    # An expression that cannot be evaluated is a warning then, instead of nothing.
    policy["spec"]["failurePolicy"] = "Fail"
    admission.create_validating_admission_policy(policy)
    try:
        admission.create_validating_admission_policy_binding(only(objects, "ValidatingAdmissionPolicyBinding"))
        dry_run_api.until_warned("enabled", workload("Deployment", MOUNTS_SOCKET), NAME)
        yield
    finally:
        for delete in (
            admission.delete_validating_admission_policy_binding,
            admission.delete_validating_admission_policy,
        ):
            try:
                delete(NAME)
            except client.ApiException as error:
                if error.status != 404:
                    raise


def warnings(dry_run_api: DryRunApi, o: dict[str, Any], namespace: str = "enabled") -> list[str]:
    return dry_run_api.warnings(namespace, o, NAME)


def warning(dry_run_api: DryRunApi, o: dict[str, Any], namespace: str = "enabled") -> str:
    """Return the only warning of the policy, or "" if there is none."""
    found = warnings(dry_run_api, o, namespace)
    assert len(found) <= 1, found
    return found[0] if found else ""


def test_the_expressions_have_the_types_of_every_kind(api: client.ApiClient) -> None:
    admission = client.AdmissionregistrationV1Api(api)
    end = time.monotonic() + 60
    while not (status := admission.read_validating_admission_policy(NAME).status).observed_generation:
        if time.monotonic() > end:
            pytest.skip("no controller checks types in this cluster")
        time.sleep(0.2)
    checking = status.type_checking
    assert not (checking and checking.expression_warnings), checking


# --- the node's socket --------------------------------------------------------------------------------

TEMPLATE_PATHS = {"Pod": "", "PodTemplate": "template.", "CronJob": "spec.jobTemplate.spec.template."}


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_every_kind_is_told_that_it_mounts_the_socket_and_what_to_do(dry_run_api: DryRunApi, kind: str) -> None:
    o = workload(kind, MOUNTS_SOCKET)
    assert warning(dry_run_api, o) == (
        f'{kind.lower()}/{o["metadata"]["name"]}: volume "docker-sock" mounts /var/run/docker.sock of the node, which '
        "nodes with containerd do not have; if it is there for Docker, remove the volume and its mounts, and set "
        f"dind.io/inject: sidecar in {TEMPLATE_PATHS.get(kind, 'spec.template.')}metadata.annotations; see "
        "dind-webhook migrate"
    )


PATHS = [
    *(
        "/var/run/docker.sock",
        "/run/docker.sock",
        "//var//run/./docker.sock/",
        "var/run/docker.sock",
        "/run/docker.sock/.",
    ),
    *("/", ".", "//", "/run", "/run/", "/./run/.", "/var/run", "/var/run//"),
    *("/var", "/var/run/docker", "/run/docker.socket", "/run/docker.sock/x", "/var/var/run", "/srv/run", "/run/dind"),
    *("/var/lib/docker", "/home/var/run/docker.sock", "/var/run/docker.sock.d", "/run/containerd/containerd.sock"),
    *("/run/containerd", "/run/crio/crio.sock", "/run/.../docker.sock"),
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_leads_to_the_socket_where_injection_says_so(dry_run_api: DryRunApi, path: str) -> None:
    socket = find_node_socket(path)
    expected = ""
    if socket and socket.runtime == "Docker":
        expected = (
            "do not have" if socket.is_exact else "leads to the node's Docker socket; nodes with containerd have none"
        )
    found = warning(dry_run_api, workload("Deployment", pod(volumes=[host_path(path)])))
    assert bool(found) == bool(expected)
    assert expected in found
    assert not found or f'volume "docker-sock" mounts {path} of the node, which' in found


@pytest.mark.parametrize("path", ["/proc", "/proc/1/root", "/dev/fd"])
def test_agents_that_mount_proc_are_left_in_peace(dry_run_api: DryRunApi, path: str) -> None:
    assert find_node_socket(path) is not None
    assert warning(dry_run_api, workload("DaemonSet", pod(volumes=[host_path(path)]))) == ""


def test_the_socket_comes_before_a_directory_that_leads_to_it(dry_run_api: DryRunApi) -> None:
    volumes = [{"name": "scratch", "emptyDir": {}}, host_path("/run", "run"), host_path(SOCKET, "sock")]
    assert 'volume "sock" mounts' in warning(dry_run_api, workload("Deployment", pod(volumes=volumes)))


def test_a_template_that_asks_is_not_told_to_ask(dry_run_api: DryRunApi) -> None:
    found = warning(dry_run_api, workload("Deployment", pod("sidecar", volumes=[host_path(SOCKET)])))
    assert "remove the volume and its mounts; see dind-webhook migrate" in found


def test_a_path_of_two_lines_has_the_short_message(dry_run_api: DryRunApi) -> None:
    found = warning(dry_run_api, workload("Deployment", pod(volumes=[host_path("/run\n"), host_path("/run/", "b")])))
    assert 'volume "b" mounts /run/' in found


def test_an_injected_template_has_no_warning(dry_run_api: DryRunApi) -> None:
    template = with_metadata(pod("sidecar", volumes=[host_path(SOCKET)]), {"dind.io/status": "{}"})
    assert warning(dry_run_api, workload("Deployment", template), "plain") == ""


@pytest.mark.parametrize("namespace", ["sidecar", "daemonset"])
def test_the_webhook_itself_warns_of_a_pod_whose_namespace_asks(dry_run_api: DryRunApi, namespace: str) -> None:
    assert warning(dry_run_api, workload("Pod", MOUNTS_SOCKET), namespace) == ""
    opted_out = pod("disabled", volumes=[host_path(SOCKET)])
    assert "mounts /var/run/docker.sock" in warning(dry_run_api, workload("Pod", opted_out), namespace)
    assert "mounts /var/run/docker.sock" in warning(dry_run_api, workload("Job", MOUNTS_SOCKET), namespace)


def test_the_largest_pods_are_within_the_budget(dry_run_api: DryRunApi) -> None:
    containers = [{**PLAIN, "name": f"c{number}"} for number in range(500)]
    volumes = [host_path(f"/srv/some/directory/of/the/node/{number}", f"v{number}") for number in range(500)]
    template = pod("sidecar", containers=containers, volumes=[*volumes, host_path("/run"), host_path(SOCKET, "last")])
    annotations = {f"dind.io/a{number}": "b" for number in range(100)}
    found = warnings(dry_run_api, workload("Deployment", template, annotations=annotations), "plain")
    assert len(found) == 3
    assert 'volume "last" mounts' in found[0]


# --- the namespace ------------------------------------------------------------------------------------

IGNORED = (
    'deployment/web: dind.io/inject is ignored: namespace "{0}" is not enabled; '
    "run: kubectl label namespace {0} dind.io/inject=enabled"
)


@pytest.mark.parametrize(
    ("namespace", "annotation", "label", "is_ignored"),
    [
        ("plain", None, None, False),
        ("plain", "sidecar", None, True),
        ("plain", "daemonset", None, True),
        ("plain", "true", None, True),
        ("plain", "disabled", None, False),
        ("plain", None, "sidecar", True),
        ("plain", "disabled", "sidecar", False),
        ("plain", "sidecar", "disabled", True),
        ("enabled", "sidecar", None, False),
        ("sidecar", "sidecar", None, False),
        ("daemonset", "daemonset", None, False),
        ("enabled", None, "sidecar", False),
    ],
)
def test_who_asks_in_a_namespace_that_is_not_enabled_is_told_the_command(
    dry_run_api: DryRunApi, namespace: str, annotation: str | None, label: str | None, is_ignored: bool
) -> None:
    found = warning(dry_run_api, workload("Deployment", pod(annotation, label)), namespace)
    assert found == (IGNORED.format(dry_run_api.namespaces[namespace]) if is_ignored else "")


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_every_kind_is_told_that_the_annotation_is_ignored(dry_run_api: DryRunApi, kind: str) -> None:
    assert "dind.io/inject is ignored" in warning(dry_run_api, workload(kind, ASKS), "plain")


def test_a_label_of_another_value_is_overwritten(api: client.ApiClient, dry_run_api: DryRunApi) -> None:
    core, name = client.CoreV1Api(api), dry_run_api.namespaces["plain"]
    expected = IGNORED.format(name) + " --overwrite"
    core.patch_namespace(name, {"metadata": {"labels": {INJECT: "true"}}})
    try:
        end = time.monotonic() + 60
        while (found := warning(dry_run_api, workload("Deployment", ASKS), "plain")) != expected:
            assert time.monotonic() < end, found
            time.sleep(0.2)
    finally:
        core.patch_namespace(name, {"metadata": {"labels": {INJECT: None}}})


# --- keys on the workload -----------------------------------------------------------------------------

OF_WORKLOADS = [kind for kind in WORKLOAD_KINDS if kind != "Pod"]


def expected_of(o: dict[str, Any]) -> list[str]:
    """Return the sentences of the command line."""
    (template,) = pod_templates(o)
    return [str(key) for key in misplaced_keys(template)]


@pytest.mark.parametrize("kind", OF_WORKLOADS)
@pytest.mark.parametrize("metadata", [{"annotations": {INJECT: "sidecar"}}, {"labels": {INJECT: "sidecar"}}], ids=str)
def test_a_key_on_the_workload_has_the_sentence_of_the_command_line(
    dry_run_api: DryRunApi, kind: str, metadata: dict[str, Any]
) -> None:
    o = workload(kind, pod(), **metadata)
    (expected,) = expected_of(o)
    assert warning(dry_run_api, o, "plain") == f"{kind.lower()}/web: {expected}"


@pytest.mark.parametrize("member", ["annotations", "labels"])
def test_a_key_on_the_template_of_the_jobs_is_misplaced_too(dry_run_api: DryRunApi, member: str) -> None:
    o = workload("CronJob", pod())
    o["spec"]["jobTemplate"]["metadata"] = {member: {INJECT: "sidecar"}}
    (expected,) = expected_of(o)
    assert warning(dry_run_api, o) == f"cronjob/web: {expected}"
    assert warning(dry_run_api, with_metadata(o, **{member: {INJECT: "sidecar"}})) == f"cronjob/web: {expected}"


def test_an_option_on_both_is_named_once(dry_run_api: DryRunApi) -> None:
    o = workload("CronJob", pod(), annotations={"dind.io/mtu": "1450"})
    o["spec"]["jobTemplate"]["metadata"] = {"annotations": {"dind.io/mtu": "1450"}}
    (expected,) = expected_of(o)
    assert warning(dry_run_api, o) == f"cronjob/web: {expected}"


def test_several_keys_are_in_one_message(dry_run_api: DryRunApi) -> None:
    annotations = {"dind.io/cpu-limit": "1", INJECT: "sidecar"}
    o = workload("Deployment", pod(), annotations=annotations, labels={INJECT: "sidecar"})
    assert warning(dry_run_api, o) == (
        "deployment/web: annotation dind.io/inject, annotation dind.io/cpu-limit, label dind.io/inject are on the "
        "deployment, not on its pod template, and have no effect; move them to spec.template.metadata"
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {INJECT: "sidecar"}},
        {"annotations": {"dind.io.example/inject": "sidecar"}},
        {"labels": {"dind.io/mtu": "1450"}},
    ],
    ids=str,
)
def test_a_key_that_the_template_has_and_keys_of_others_are_fine(dry_run_api: DryRunApi, metadata: Any) -> None:
    o = workload("Deployment", ASKS, **metadata)
    assert expected_of(o) == []
    assert warning(dry_run_api, o) == ""


# --- which requests -----------------------------------------------------------------------------------


def owned(kind: str, owner_version: str, owner_kind: str, **owner: Any) -> dict[str, Any]:
    reference = {
        "apiVersion": owner_version,
        "kind": owner_kind,
        "name": "owner",
        "uid": "u",
        "controller": True,
        **owner,
    }
    return workload(kind, MOUNTS_SOCKET, ownerReferences=[reference])


@pytest.mark.parametrize(
    ("kind", "owner_version", "owner_kind"),
    [
        ("Pod", "apps/v1", "ReplicaSet"),
        ("Pod", "apps/v1", "StatefulSet"),
        ("Pod", "apps/v1", "DaemonSet"),
        ("Pod", "batch/v1", "Job"),
        ("Pod", "v1", "ReplicationController"),
        ("ReplicaSet", "apps/v1", "Deployment"),
        ("Job", "batch/v1", "CronJob"),
    ],
)
def test_objects_of_controllers_whose_workload_was_checked_are_not_checked(
    dry_run_api: DryRunApi, kind: str, owner_version: str, owner_kind: str
) -> None:
    assert warning(dry_run_api, owned(kind, owner_version, owner_kind)) == ""
    assert warning(dry_run_api, owned(kind, owner_version, owner_kind, controller=False)) != ""


@pytest.mark.parametrize(
    ("kind", "owner_version", "owner_kind"),
    [
        ("Pod", "argoproj.io/v1alpha1", "Workflow"),
        ("Pod", "example.com/v1", "Job"),
        ("ReplicaSet", "argoproj.io/v1alpha1", "Rollout"),
    ],
)
def test_objects_of_other_controllers_are_checked(
    dry_run_api: DryRunApi, kind: str, owner_version: str, owner_kind: str
) -> None:
    assert warning(dry_run_api, owned(kind, owner_version, owner_kind)) != ""


def test_a_static_pod_is_not_checked(dry_run_api: DryRunApi) -> None:
    mirror = copy.deepcopy(MIRROR)
    mirror["spec"]["volumes"] = [host_path(SOCKET)]
    assert warning(dry_run_api, mirror, "plain") == ""


def test_an_update_is_checked_too(api: client.ApiClient, dry_run_api: DryRunApi) -> None:
    # Nothing makes pods of a PodTemplate.
    stored = workload("PodTemplate", pod())
    client.CoreV1Api(api).create_namespaced_pod_template(dry_run_api.namespaces["plain"], stored)
    assert dry_run_api.warnings("plain", stored, NAME, update=True) == []
    (found,) = dry_run_api.warnings("plain", workload("PodTemplate", MOUNTS_SOCKET), NAME, update=True)
    assert "podtemplate/web: volume" in found


@pytest.mark.parametrize("metadata", [None, {}, {"annotations": {}}, {"annotations": None, "labels": None}], ids=str)
def test_a_template_without_metadata_is_no_error(dry_run_api: DryRunApi, metadata: Any) -> None:
    for volumes in (None, [], [{"name": "scratch", "emptyDir": None}]):
        template = {"metadata": metadata, "spec": {"containers": [PLAIN], "volumes": volumes}}
        o = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"generateName": "web-"}, "template": template}
        assert warning(dry_run_api, o, "plain") == ""


def test_an_object_that_is_named_by_the_api_server_is_named_in_the_warning(dry_run_api: DryRunApi) -> None:
    o = workload("Job", MOUNTS_SOCKET)
    o["metadata"] = {"generateName": "nightly-"}
    assert "job/nightly-" in warning(dry_run_api, o)
