"""The CEL of the policy, evaluated by a real API server for dry-run requests."""

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
from dry_run_api import MIRROR, PLAIN, DryRunApi, pod
from helm import render
from kubernetes import client

# A name of this run only: the objects are cluster-scoped.
NAME = f"chart-test-{token_hex(3)}"

MOUNT = [{"name": "dind-run", "mountPath": "/run/dind"}]
RUN = {"name": "dind-run", "emptyDir": {}}
SHARED = {"name": "dind-run", "hostPath": {"path": "/var/run/dind/policy-policy", "type": "Directory"}}
DIND = {"name": "dind", "image": "dind"}
NATIVE = {**DIND, "restartPolicy": "Always"}
WAIT = {"name": "dind-wait", "image": "dind", "volumeMounts": MOUNT}
CONNECTED = {"name": "build", "image": "build", "volumeMounts": MOUNT}


@pytest.fixture(scope="module", autouse=True)
def policy(api: client.ApiClient, dry_run_api: DryRunApi) -> Iterator[None]:
    """Install the policy without the webhook, whose denials would hide the policy's."""
    admission = client.AdmissionregistrationV1Api(api)
    objects = {o["kind"]: o for o in render({"fullnameOverride": NAME}, release="policy", namespace="policy")}
    admission.create_validating_admission_policy(objects["ValidatingAdmissionPolicy"])
    admission.create_validating_admission_policy_binding(objects["ValidatingAdmissionPolicyBinding"])
    try:
        dry_run_api.until_refused("enabled", pod("sidcar"), UNKNOWN)
        yield
    finally:
        admission.delete_validating_admission_policy_binding(NAME)
        admission.delete_validating_admission_policy(NAME)


LOST = "has lost its restartPolicy"
NO_DIND = "asks for sidecar and has no container dind"
NO_VOLUME = "asks for daemonset and has no volume dind-run at /var/run/dind/policy-policy"
NOT_MOUNTED = "no container of the pod mounts volume dind-run"
UNKNOWN = "is not accepted; use one of sidecar, daemonset, disabled"

WHO = [
    # namespace, annotation, label, and the missing member in a pod that was not injected
    ("plain", "sidecar", None, ""),
    ("plain", "sidcar", None, ""),
    ("enabled", None, None, ""),
    ("enabled", "sidecar", None, NO_DIND),
    ("enabled", "daemonset", None, NO_VOLUME),
    ("enabled", "disabled", None, ""),
    ("enabled", "sidcar", None, UNKNOWN),
    ("enabled", "", None, UNKNOWN),
    ("enabled", None, "sidecar", NO_DIND),
    ("enabled", None, "disabled", ""),
    ("enabled", "disabled", "sidecar", ""),
    ("enabled", "daemonset", "sidecar", NO_VOLUME),
    ("enabled", "sidecar", "disabled", NO_DIND),
    # The webhook may have left these alone.
    ("sidecar", None, None, ""),
    ("sidecar", "daemonset", None, NO_VOLUME),
    ("sidecar", "disabled", None, ""),
    ("sidecar", None, "disabled", ""),
    ("sidecar", "enabled", None, UNKNOWN),
    ("daemonset", None, None, ""),
    ("daemonset", "sidecar", None, NO_DIND),
    ("daemonset", "disabled", None, ""),
]


@pytest.mark.parametrize(("namespace", "annotation", "label", "expected"), WHO)
def test_a_pod_without_docker_is_caught_where_the_truth_table_gives_it_docker(
    dry_run_api: DryRunApi, namespace: str, annotation: str | None, label: str | None, expected: str
) -> None:
    found = dry_run_api.refusal(namespace, pod(annotation, label))
    assert expected in found if expected else not found


STRIPPED = pod(None, None, [CONNECTED], [DIND], [RUN])
STRIPPED["metadata"]["annotations"] = {"dind.io/status": '{"mode":"sidecar"}'}
WITH_OPTION = pod(None, None, [PLAIN])
WITH_OPTION["metadata"]["annotations"] = {"dind.io/group": "1001"}

WHAT = [
    ("a native sidecar", pod("sidecar", None, [CONNECTED], [NATIVE], [RUN]), ""),
    ("an ordinary container", pod("sidecar", None, [DIND, CONNECTED], None, [RUN]), ""),
    ("a sidecar that an older webhook stripped", pod("sidecar", None, [CONNECTED], [DIND], [RUN]), LOST),
    ("a sidecar nobody can reach", pod("sidecar", None, [PLAIN], [NATIVE], [RUN]), NOT_MOUNTED),
    ("only the init container has it", pod("sidecar", None, [PLAIN], [NATIVE, {**CONNECTED, "name": "i"}], [RUN]), ""),
    ("the node's daemon", pod("daemonset", None, [CONNECTED], None, [SHARED]), ""),
    ("an emptyDir instead of the node's", pod("daemonset", None, [CONNECTED], None, [RUN]), NO_VOLUME),
    ("the node's daemon, not mounted", pod("daemonset", None, [PLAIN], None, [SHARED]), NOT_MOUNTED),
    ("the node's daemon, mounted by the wait only", pod("daemonset", None, [PLAIN], [WAIT], [SHARED]), NOT_MOUNTED),
    ("the mirror of a static pod", MIRROR, ""),
    ("an injected pod whose sidecar was stripped", STRIPPED, LOST),
    ("a pod with an option, not injected", WITH_OPTION, NO_DIND),
]


@pytest.mark.parametrize(("manifest", "expected"), [row[1:] for row in WHAT], ids=[row[0] for row in WHAT])
def test_what_the_policy_makes_of(dry_run_api: DryRunApi, manifest: dict[str, Any], expected: str) -> None:
    found = dry_run_api.refusal("sidecar", manifest)
    assert expected in found if expected else not found
