"""Create pods continuously while the install changes, and check that no pod is refused or left without Docker."""

import copy
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import urllib3
import workloads
from kube import Kube, Manifest, Namespace, until
from kubernetes import client
from kubernetes.client.exceptions import ApiException

_CREATORS = 2
_PAUSE_SECONDS = 0.1
# The number of further pods of each creator that wait_for_more_pods() waits for
_MORE_PODS = 10


@dataclass
class PodStream:
    """The results of the created pods. A request to the API server is never repeated."""

    namespace: Namespace
    created: int = 0
    refused: list[str] = field(default_factory=list)
    without_docker: list[Manifest] = field(default_factory=list)
    # The number of failed connections to the API server, which only a restart of the API server may cause
    unreachable: int = 0
    may_be_refused: bool = False

    def wait_for_more_pods(self) -> None:
        """Wait until more pods are created."""
        enough = self.created + _CREATORS * _MORE_PODS
        until("the stream to go on", lambda: self.created >= enough or (bool(self.refused) and not self.may_be_refused))
        assert self.may_be_refused or self.refused == []

    def check_no_pod_lost(self) -> None:
        """Check that every pod was created and has Docker."""
        assert self.may_be_refused or not self.refused, (
            f"{len(self.refused)} of {self.created} pods were refused: {self.refused[:3]}"
        )
        assert not self.without_docker, f"{len(self.without_docker)} pods have no Docker: {self.without_docker[:1]}"


@contextmanager
def create_pods(
    namespace: Namespace,
    may_be_unreachable: bool = False,
    *,
    may_be_refused: bool = False,
    inject: str | None = "sidecar",
) -> Iterator[PodStream]:
    """Create pods until the end of the block, and then check that no pod was lost.

    The pods ask for `inject`, or leave that to their namespace. If `may_be_refused`, a refused pod is not a lost one.
    If `may_be_unreachable`, a failed connection to the API server is tried again when the API server is ready, as a
    load balancer does. Otherwise it counts as a refusal.
    """
    counted = PodStream(namespace, may_be_refused=may_be_refused)
    stop = threading.Event()
    creators = [
        threading.Thread(target=_create_pods, args=(counted, f"pod-{number}-", inject, stop, may_be_unreachable))
        for number in range(_CREATORS)
    ]
    for creator in creators:
        creator.start()
    try:
        counted.wait_for_more_pods()
        yield counted
        counted.wait_for_more_pods()
    finally:
        stop.set()
        for creator in creators:
            creator.join()
    counted.check_no_pod_lost()
    assert may_be_unreachable or not counted.unreachable


def _create_pods(
    counted: PodStream, prefix: str, inject: str | None, stop: threading.Event, may_be_unreachable: bool
) -> None:
    core = _client_without_retries(counted.namespace.kube)
    namespace = counted.namespace.name
    number = 0
    while not stop.wait(_PAUSE_SECONDS):
        number += 1
        try:
            pod = core.create_namespaced_pod(namespace, _unscheduled_pod(f"{prefix}{number}", inject))
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            # An ApiException without a status is a failed TLS handshake.
            if isinstance(error, ApiException) and error.status:
                counted.refused.append(str(error.body))
                continue
            counted.unreachable += 1
            if not may_be_unreachable:
                counted.refused.append(repr(error))
            _wait_until_ready(core.api_client, stop)
        else:
            counted.created += 1
            if not any(one.name == "dind" for one in pod.spec.init_containers or []):
                counted.without_docker.append(core.api_client.sanitize_for_serialization(pod))
            # The deletion of the namespace removes the remaining pods.
            with suppress(ApiException, urllib3.exceptions.HTTPError):
                core.delete_namespaced_pod(pod.metadata.name, namespace, grace_period_seconds=0)


def _client_without_retries(kube: Kube) -> client.CoreV1Api:
    """Return a client without retries. It opens a connection for each request, so that no idle one is closed."""
    configuration = copy.deepcopy(kube.api.configuration)
    configuration.retries = False
    own = client.ApiClient(configuration)
    own.set_default_header("Connection", "close")
    return client.CoreV1Api(own)


def _unscheduled_pod(name: str, inject: str | None) -> Manifest:
    """Return a pod that is never scheduled."""
    return workloads.pod("true", inject=inject, name=name, schedulingGates=[{"name": "e2e.dind.io/never"}])


def _wait_until_ready(api: client.ApiClient, stop: threading.Event) -> None:
    while not stop.is_set():
        with suppress(ApiException, urllib3.exceptions.HTTPError):
            if api.call_api("GET", f"{api.configuration.host}/readyz").status == HTTPStatus.OK:
                return
        time.sleep(0.1)
