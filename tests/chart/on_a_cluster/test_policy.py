"""The policy's CEL, judged by a real API server, dry-run throughout."""

import contextlib
import time
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
from helm import render
from kubernetes import client

INJECT = "dind.io/inject"
# Of this run and process: the last run's namespaces take a while to go.
RUN_ID = token_hex(3)
NAME = f"chart-test-{RUN_ID}"
NAMESPACES = {"policy-plain": None, "policy-on": "enabled", "policy-sc": "sidecar", "policy-ds": "daemonset"}

MOUNT = [{"name": "dind-run", "mountPath": "/run/dind"}]
RUN = {"name": "dind-run", "emptyDir": {}}
SHARED = {"name": "dind-run", "hostPath": {"path": "/var/run/dind/policy-policy", "type": "Directory"}}
DIND = {"name": "dind", "image": "dind"}
NATIVE = {**DIND, "restartPolicy": "Always"}
CONNECTED = {"name": "build", "image": "build", "volumeMounts": MOUNT}
PLAIN = {"name": "build", "image": "build"}


@pytest.fixture(scope="module")
def core(api: client.ApiClient) -> Iterator[client.CoreV1Api]:
    """Yield an API server that has the policy, and no webhook that could hide what it finds."""
    core, admission = client.CoreV1Api(api), client.AdmissionregistrationV1Api(api)
    objects = {o["kind"]: o for o in render({"fullnameOverride": NAME}, release="policy", namespace="policy")}
    for name, value in NAMESPACES.items():
        labels = {INJECT: value} if value else {}
        core.create_namespace({"metadata": {"name": f"{name}-{RUN_ID}", "labels": labels}})
    admission.create_validating_admission_policy(objects["ValidatingAdmissionPolicy"])
    admission.create_validating_admission_policy_binding(objects["ValidatingAdmissionPolicyBinding"])
    try:
        _until_it_acts(core)
        yield core
    finally:
        admission.delete_validating_admission_policy_binding(NAME)
        admission.delete_validating_admission_policy(NAME)
        for name in NAMESPACES:
            core.delete_namespace(f"{name}-{RUN_ID}")


def refusal(core: client.CoreV1Api, namespace: str, pod: dict[str, Any]) -> str:
    """Return the message with which a pod is refused, empty where it is taken."""
    try:
        core.create_namespaced_pod(f"{namespace}-{RUN_ID}", pod, dry_run="All")
    except client.ApiException as error:
        if error.status != 422:
            raise
        return str(error.body)
    return ""


def pod(
    annotation: str | None = None,
    label: str | None = None,
    containers: list[Any] | None = None,
    inits: list[Any] | None = None,
    volumes: list[Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "pod"}
    if annotation is not None:
        metadata["annotations"] = {INJECT: annotation}
    if label is not None:
        metadata["labels"] = {INJECT: label}
    spec = {"automountServiceAccountToken": False, "containers": containers or [PLAIN], **more}
    if inits:
        spec["initContainers"] = inits
    if volumes:
        spec["volumes"] = volumes
    return {"metadata": metadata, "spec": spec}


def _until_it_acts(core: client.CoreV1Api) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        # The namespace's own account is made a moment after it, too.
        with contextlib.suppress(client.ApiException):
            if refusal(core, "policy-on", pod("sidcar")):
                return
        time.sleep(0.2)
    pytest.fail("the policy does not act")


LOST = "has lost its restartPolicy"
NO_DIND = "asks for sidecar and has no container dind"
NO_VOLUME = "asks for daemonset and has no volume dind-run at /var/run/dind/policy-policy"
NOT_MOUNTED = "no container of the pod mounts volume dind-run"
UNKNOWN = "is not accepted; use one of sidecar, daemonset, disabled"

WHO = [
    # namespace, annotation, label, what is missing in a pod that nobody injected
    ("policy-plain", "sidecar", None, ""),
    ("policy-plain", "sidcar", None, ""),
    ("policy-on", None, None, ""),
    ("policy-on", "sidecar", None, NO_DIND),
    ("policy-on", "daemonset", None, NO_VOLUME),
    ("policy-on", "disabled", None, ""),
    ("policy-on", "sidcar", None, UNKNOWN),
    ("policy-on", "", None, UNKNOWN),
    ("policy-on", None, "sidecar", NO_DIND),
    ("policy-on", None, "disabled", ""),
    ("policy-on", "disabled", "sidecar", ""),
    ("policy-on", "daemonset", "sidecar", NO_VOLUME),
    ("policy-on", "sidecar", "disabled", NO_DIND),
    ("policy-sc", None, None, NO_DIND),
    ("policy-sc", "daemonset", None, NO_VOLUME),
    ("policy-sc", "disabled", None, ""),
    ("policy-sc", None, "disabled", ""),
    ("policy-sc", "enabled", None, UNKNOWN),
    ("policy-ds", None, None, NO_VOLUME),
    ("policy-ds", "sidecar", None, NO_DIND),
    ("policy-ds", "disabled", None, ""),
]


@pytest.mark.parametrize(("namespace", "annotation", "label", "expected"), WHO)
def test_a_pod_without_docker_is_caught_where_the_truth_table_gives_it_docker(
    core: client.CoreV1Api, namespace: str, annotation: str | None, label: str | None, expected: str
) -> None:
    found = refusal(core, namespace, pod(annotation, label))
    assert expected in found if expected else not found


WHAT = [
    ("a native sidecar", pod("sidecar", None, [CONNECTED], [NATIVE], [RUN]), ""),
    ("an ordinary container", pod("sidecar", None, [DIND, CONNECTED], None, [RUN]), ""),
    ("a sidecar that an older webhook stripped", pod("sidecar", None, [CONNECTED], [DIND], [RUN]), LOST),
    ("a sidecar nobody can reach", pod("sidecar", None, [PLAIN], [NATIVE], [RUN]), NOT_MOUNTED),
    ("only the init container has it", pod("sidecar", None, [PLAIN], [NATIVE, {**CONNECTED, "name": "i"}], [RUN]), ""),
    ("the node's daemon", pod("daemonset", None, [CONNECTED], None, [SHARED]), ""),
    ("an emptyDir instead of the node's", pod("daemonset", None, [CONNECTED], None, [RUN]), NO_VOLUME),
    ("the node's daemon, not mounted", pod("daemonset", None, [PLAIN], None, [SHARED]), NOT_MOUNTED),
    ("a Windows pod", pod(None, None, os={"name": "windows"}), ""),
    ("a Windows pod by its node", pod(None, None, nodeSelector={"kubernetes.io/os": "windows"}), ""),
]


@pytest.mark.parametrize(("manifest", "expected"), [row[1:] for row in WHAT], ids=[row[0] for row in WHAT])
def test_what_the_policy_makes_of(core: client.CoreV1Api, manifest: dict[str, Any], expected: str) -> None:
    found = refusal(core, "policy-sc", manifest)
    assert expected in found if expected else not found
