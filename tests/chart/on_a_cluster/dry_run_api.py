"""Create objects with dry-run in namespaces with each value of the opt-in label."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

import pytest
from kubernetes import client

INJECT = "dind.io/inject"
POLICY_WARNING = re.compile(
    r"Validation failed for ValidatingAdmissionPolicy '([^']+)' with binding '[^']+': (.*)", re.DOTALL
)
OPTED_IN = {"plain": None, "enabled": "enabled", "sidecar": "sidecar", "daemonset": "daemonset"}
PLAIN = {"name": "build", "image": "build"}


class DryRunApi:
    """An API server with one namespace for each value of the opt-in label."""

    def __init__(self, core: client.CoreV1Api, run_id: str) -> None:
        self._core = core
        # Names of this run only: the API server needs some time to delete the namespaces of the previous run.
        self.namespaces = {kind: f"chart-test-{run_id}-{kind}" for kind in OPTED_IN}

    def refusal(self, namespace: str, pod: dict[str, Any]) -> str:
        """Return the message with which the API server refuses a pod, or "" if it accepts the pod."""
        try:
            self._core.create_namespaced_pod(self.namespaces[namespace], pod, dry_run="All")
        except client.ApiException as error:
            # 422: a policy denies; 403: the service account does not exist yet; 500: the webhook cannot be called
            if error.status not in {422, 403, 500}:
                raise
            return str(error.body)
        return ""

    def warnings(self, namespace: str, o: dict[str, Any], policy: str, *, update: bool = False) -> list[str]:
        """Return the warnings of a policy when an object is created, or updated, with dry-run."""
        version, kind = o.get("apiVersion", "v1"), o.get("kind", "Pod")
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        path = f"{root}/namespaces/{self.namespaces[namespace]}/{kind.lower()}s"
        api = self._core.api_client
        request = api.param_serialize(
            "PUT" if update else "POST",
            f"{path}/{o['metadata']['name']}" if update else path,
            query_params=[("dryRun", "All")],
            header_params={"Content-Type": "application/json", "Accept": "application/json"},
            body={"apiVersion": version, "kind": kind, **o},
            auth_settings=["BearerToken"],
        )
        response = api.call_api(*request)
        answer = response.read()
        assert 200 <= response.status < 300, answer
        headers = response.headers.getlist("Warning")
        texts = [re.sub(r"\\(.)", r"\1", text[len('299 - "') : -1]) for text in headers]
        found = [match for text in texts if (match := POLICY_WARNING.fullmatch(text))]
        return [match[2] for match in found if match[1] == policy]

    def until_refused(self, namespace: str, pod: dict[str, Any], message: str) -> None:
        """Wait until the API server refuses the pod: it applies new policies and webhooks after a delay."""
        end = time.monotonic() + 120
        while message not in (said := self.refusal(namespace, pod)):
            if time.monotonic() > end:
                pytest.fail(f"it does not act; the API server says {said!r}")
            time.sleep(0.2)
        self._until_there_are_accounts(end)

    def until_warned(self, namespace: str, o: dict[str, Any], policy: str) -> None:
        """Wait until a policy warns of an object, and until the service accounts exist."""
        end = time.monotonic() + 120
        while not self.warnings(namespace, o, policy):
            if time.monotonic() > end:
                pytest.fail(f"policy {policy} does not act")
            time.sleep(0.2)
        self._until_there_are_accounts(end)

    def _until_there_are_accounts(self, end: float) -> None:
        while said := self.refusal("plain", {"metadata": {"name": "pod"}, "spec": {"containers": [PLAIN]}}):
            if time.monotonic() > end:
                pytest.fail(f"pods cannot be made at all: {said}")
            time.sleep(0.2)


@contextmanager
def dry_run_namespaces(api: client.ApiClient) -> Iterator[DryRunApi]:
    """Create the namespaces, and delete them afterwards."""
    core = client.CoreV1Api(api)
    dry_run_api = DryRunApi(core, token_hex(3))
    for kind, value in OPTED_IN.items():
        labels = {INJECT: value} if value else {}
        core.create_namespace({"metadata": {"name": dry_run_api.namespaces[kind], "labels": labels}})
    try:
        yield dry_run_api
    finally:
        for name in dry_run_api.namespaces.values():
            core.delete_namespace(name)


def pod(
    annotation: str | None = None,
    label: str | None = None,
    containers: list[Any] | None = None,
    inits: list[Any] | None = None,
    volumes: list[Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a pod that asks for Docker by annotation or label."""
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


MIRROR = pod("sidecar", nodeName="node")
MIRROR["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "a-static-pod"
