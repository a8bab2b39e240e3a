"""A client of the cluster for tests: create objects from manifests, wait for them, and read their state."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

import yaml
from cluster import local_node
from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException, NotFoundException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import STDERR_CHANNEL, STDOUT_CHANNEL

Manifest = dict[str, Any]

# Long enough for a virtual machine on a busy machine
PATIENCE = 300.0

# The client caches the API server's kinds in a file named by its URL only, and a later API server of another version
# can have the same URL. No file can exist at this path, so each client asks its API server.
_NO_CACHE = str(Path(os.devnull, "cache"))


class RefusedError(AssertionError):
    """The API server refused an object; `message` is the text that a user sees."""

    def __init__(self, error: ApiException) -> None:
        self.status = error.status
        try:
            self.message: str = json.loads(error.body)["message"]
        except (TypeError, ValueError, KeyError):
            self.message = str(error.body)
        super().__init__(self.message)


@dataclass(frozen=True)
class Kube:
    """A cluster. If `on_second_node`, the pods of tests run on the second node of a cluster of `make e2e`."""

    api: client.ApiClient
    objects: dynamic.DynamicClient
    on_second_node: bool = False

    @classmethod
    def load(cls, kubeconfig: str) -> Self:
        configuration = client.Configuration()
        config.load_kube_config(kubeconfig, client_configuration=configuration)
        api = client.ApiClient(configuration)
        return cls(api, dynamic.DynamicClient(api, cache_file=_NO_CACHE))

    @property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self.api)

    def node_troubles(self) -> list[str]:
        """Return a line for each condition of a node that is not as it is on a healthy node."""
        return [
            f"{node.metadata.name}: {condition.type} is {condition.status}: {condition.message}"
            for node in self.core.list_node().items
            for condition in node.status.conditions
            if condition.status != str(condition.type == "Ready")
        ]

    @contextmanager
    def namespace(self, inject: str | None = "enabled", **labels: str) -> Iterator["Namespace"]:
        """Yield a namespace with this value of the opt-in label, which allows privileged pods. Delete it afterwards."""
        name = f"e2e-{token_hex(4)}"
        marks = {"pod-security.kubernetes.io/enforce": "privileged", **labels}
        if inject:
            marks["dind.io/inject"] = inject
        self.core.create_namespace({"metadata": {"name": name, "labels": marks}})
        try:
            namespace = Namespace(self, name)
            until(f"the service account of {name}", namespace.has_service_account)
            yield namespace
        finally:
            self.core.delete_namespace(name)

    def remove_namespace(self, name: str) -> None:
        """Delete a namespace if it exists."""
        with suppress(NotFoundException):
            self.core.delete_namespace(name)

    def make(self, manifest: Manifest, namespace: str | None = None, **parameters: Any) -> Manifest:
        """Create an object of any kind and return it as stored. Raise RefusedError if the API server refuses it."""
        resource = self.objects.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        try:
            made: Manifest = resource.create(body=manifest, namespace=namespace, **parameters).to_dict()
        except ApiException as error:
            raise RefusedError(error) from error
        return made

    def get(self, kind: str, name: str, namespace: str | None = None, version: str = "v1") -> Manifest:
        resource = self.objects.resources.get(api_version=version, kind=kind)
        found: Manifest = resource.get(name=name, namespace=namespace).to_dict()
        return found

    def delete(self, kind: str, name: str, namespace: str | None = None, version: str = "v1") -> None:
        resource = self.objects.resources.get(api_version=version, kind=kind)
        resource.delete(name=name, namespace=namespace, body={"propagationPolicy": "Background"})


@dataclass(frozen=True)
class Namespace:
    """The namespace of a test."""

    kube: Kube
    name: str

    def make(self, manifest: Manifest, **parameters: Any) -> Manifest:
        """Create an object. Pods, also those of a controller, run on the node that the tests of the module use."""
        if self.kube.on_second_node:
            manifest = _on_second_node(manifest)
        return self.kube.make(manifest, self.name, **parameters)

    def warnings(self, manifest: Manifest) -> list[str]:
        """Return the API server's warnings about the creation of an object, in a dry run."""
        resource = self.kube.objects.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        answer = resource.create(body=manifest, namespace=self.name, dry_run="All", serialize=False)
        found: list[str] = answer.headers.getlist("Warning")
        return found

    def run(self, manifest: Manifest) -> "Pod":
        """Create a pod."""
        made = self.make(manifest)
        return Pod(self.kube, self.name, made["metadata"]["name"])

    def pod(self, name: str) -> "Pod":
        return Pod(self.kube, self.name, name)

    def pods(self, selector: str = "") -> list["Pod"]:
        found = self.kube.core.list_namespaced_pod(self.name, label_selector=selector).items
        return [Pod(self.kube, self.name, pod.metadata.name) for pod in found]

    def until_complete(self, job: str) -> None:
        """Wait until a Job has completed. The test fails if it fails."""

        def describe() -> str:
            return "\n".join(pod.describe() for pod in self.pods(f"job-name={job}"))

        def has_completed() -> bool:
            status = self.kube.get("Job", job, self.name, "batch/v1")["status"]
            assert not status.get("failed"), describe()
            return bool(status.get("succeeded"))

        until(f"job {job} to complete", has_completed, describe)

    def events(self, about: str) -> list[str]:
        """Return the messages of all events about the object with this name."""
        found = self.kube.core.list_namespaced_event(self.name, field_selector=f"involvedObject.name={about}").items
        return [f"{event.reason}: {event.message}" for event in found]

    def has_service_account(self) -> bool:
        accounts = self.kube.core.list_namespaced_service_account(self.name).items
        return any(account.metadata.name == "default" for account in accounts)


@dataclass(frozen=True)
class Pod:
    """A pod, identified by its name."""

    kube: Kube
    namespace: str
    name: str

    def read(self) -> Manifest:
        found: Manifest = self.kube.api.sanitize_for_serialization(
            self.kube.core.read_namespaced_pod(self.name, self.namespace)
        )
        return found

    @property
    def phase(self) -> str:
        return str(self.read()["status"]["phase"])

    @property
    def is_ready(self) -> bool:
        conditions = self.read()["status"].get("conditions", [])
        return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)

    def status(self, container: str) -> Manifest:
        """Return the status of a container or init container. It is empty before kubelet has seen the pod."""
        status = self.read()["status"]
        statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        return next((dict(one) for one in statuses if one["name"] == container), {})

    def container_id(self, container: str) -> str:
        """Return the ID of a running container in containerd, which is the last part of its cgroup's path."""
        identifier: str = self.status(container)["containerID"]
        return identifier.removeprefix("containerd://")

    def log(self, container: str | None = None) -> str:
        text: str | None = self.kube.core.read_namespaced_pod_log(self.name, self.namespace, container=container)
        # The client returns None for an empty log.
        return text or ""

    def exec(self, script: str, container: str | None = None) -> str:
        """Run a shell script in a container and return its output. The test fails if the script fails."""
        connection = stream(
            self.kube.core.connect_get_namespaced_pod_exec,
            self.name,
            self.namespace,
            command=["sh", "-c", script],
            container=container or self.read()["spec"]["containers"][0]["name"],
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        connection.run_forever(timeout=PATIENCE)
        # close() would not close the socket of a connection that the other side has ended.
        connection.sock.shutdown()
        code = connection.returncode
        output: str = connection.read_channel(STDOUT_CHANNEL)
        errors: str = connection.read_channel(STDERR_CHANNEL)
        assert code == 0, f"{script!r} ended with {code}:\n{output}\n{errors}"
        return output

    def succeeds(self) -> "Pod":
        """Wait until the pod has completed. If it failed, the test fails with the pod's log."""
        self.until(lambda: self.phase in {"Succeeded", "Failed"}, "complete")
        assert self.phase == "Succeeded", self.describe()
        return self

    def ready(self) -> "Pod":
        self.until(lambda: self.is_ready or self.phase in {"Succeeded", "Failed"}, "become ready")
        assert self.is_ready, self.describe()
        return self

    def until(self, condition: Callable[[], bool], what: str) -> None:
        until(f"pod {self.name} to {what}", condition, self.describe)

    def describe(self) -> str:
        """Return the status, the events and the logs, for the message of a failed test."""
        pod = self.read()
        details = [yaml.safe_dump(pod["status"]), *Namespace(self.kube, self.namespace).events(self.name)]
        details += self.kube.node_troubles()
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            try:
                log = self.log(container["name"])
            except ApiException as error:
                log = f"no log: {error.reason}"
            details.append(f"--- {container['name']}\n{log[-3000:]}")
        return "\n".join(details)


def until(
    what: str, condition: Callable[[], bool], describe: Callable[[], str] = str, seconds: float = PATIENCE
) -> None:
    """Wait for a condition. After `seconds`, fail with `what` and the text of `describe`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s for {what}\n{describe()}")
        time.sleep(0.3)


def _on_second_node(manifest: Manifest) -> Manifest:
    """Return a copy of a manifest whose pods run on the second node. Its other selectors and tolerations stay."""
    copy = deepcopy(manifest)
    spec = _pod_spec(copy)
    if spec is not None:
        spec["nodeSelector"] = {**spec.get("nodeSelector", {}), **local_node.SELECTOR}
        spec["tolerations"] = [*spec.get("tolerations", []), local_node.TOLERATION]
    return copy


def _pod_spec(manifest: Manifest) -> Manifest | None:
    """Return the spec of a pod, or that in the pod template of a controller, or None for other kinds."""
    spec: Manifest = manifest.get("spec", {})
    if manifest["kind"] == "Pod":
        return spec
    return spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("spec")


def read(path: Path) -> list[Manifest]:
    """Return the manifests in a file."""
    return [manifest for manifest in yaml.safe_load_all(path.read_text("utf-8")) if manifest]


def refusal(namespace: Namespace, manifest: Manifest) -> str:
    """Return the message with which the API server refuses an object in a dry run, or "" if it accepts the object."""
    try:
        namespace.make(manifest, dry_run="All")
    except RefusedError as error:
        return error.message
    return ""
