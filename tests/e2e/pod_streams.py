"""Pods that are created without a pause, to see what a change of the install means to those who create pods."""

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
# That it goes on is shown by that many pods of each creator.
_MORE_PODS = 10


@dataclass
class PodStream:
    """The outcomes of the pods. No request to the API server is repeated, whatever the answer was."""

    namespace: Namespace
    created: int = 0
    refused: list[str] = field(default_factory=list)
    without_docker: list[Manifest] = field(default_factory=list)
    # Times the API server itself could not be reached, which only its restart may cause.
    unreachable: int = 0

    def wait_for_more_pods(self) -> None:
        """Wait for more pods."""
        enough = self.created + _CREATORS * _MORE_PODS
        until("the stream to go on", lambda: self.created >= enough or bool(self.refused))

    def check_no_pod_lost(self) -> None:
        """Check that every pod was created, and has Docker."""
        assert not self.refused, f"{len(self.refused)} of {self.created} pods were refused: {self.refused[:3]}"
        assert not self.without_docker, f"{len(self.without_docker)} pods have no Docker: {self.without_docker[:1]}"


@contextmanager
def create_pods(namespace: Namespace, may_be_unreachable: bool = False) -> Iterator[PodStream]:
    """Create pods until the end of the block, and then check that none was lost.

    With `may_be_unreachable` a connection that the API server itself does not take is tried again, as a load
    balancer would, once it is ready. Without it that counts as a refusal.
    """
    counted = PodStream(namespace)
    stop = threading.Event()
    creators = [
        threading.Thread(target=_create_pods, args=(counted, f"pod-{number}-", stop, may_be_unreachable))
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


def _create_pods(counted: PodStream, prefix: str, stop: threading.Event, may_be_unreachable: bool) -> None:
    core = _client_without_retries(counted.namespace.kube)
    namespace = counted.namespace.name
    number = 0
    while not stop.wait(_PAUSE_SECONDS):
        number += 1
        try:
            pod = core.create_namespaced_pod(namespace, _unscheduled_pod(f"{prefix}{number}"))
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            # An ApiException without a status is a handshake that failed.
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
            # What is left goes with the namespace.
            with suppress(ApiException, urllib3.exceptions.HTTPError):
                core.delete_namespaced_pod(pod.metadata.name, namespace, grace_period_seconds=0)


def _client_without_retries(kube: Kube) -> client.CoreV1Api:
    """Return a client that tries nothing twice, and makes a connection for each request: none is found closed."""
    configuration = copy.deepcopy(kube.api.configuration)
    configuration.retries = False
    own = client.ApiClient(configuration)
    own.set_default_header("Connection", "close")
    return client.CoreV1Api(own)


def _unscheduled_pod(name: str) -> Manifest:
    """Return a pod that asks for Docker and that nobody schedules."""
    return workloads.pod("true", name=name, schedulingGates=[{"name": "e2e.dind.io/never"}])


def _wait_until_ready(api: client.ApiClient, stop: threading.Event) -> None:
    while not stop.is_set():
        with suppress(ApiException, urllib3.exceptions.HTTPError):
            if api.call_api("GET", f"{api.configuration.host}/readyz").status == HTTPStatus.OK:
                return
        time.sleep(0.1)
