"""Properties of a migration: no pod crashes it, and what converts is injected and keeps everything else."""

from typing import Any

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st
from strategies import break_pod, json_values, pods

from dind_webhook.injection import Mode, Outcome, Policy, decide_for_namespace
from dind_webhook.migration import MigrationRequest, Verdict, examine, examine_unknown
from dind_webhook.model import JsonObject

_PATHS = ["/var/run/docker.sock", "/run/docker.sock", "/run", "/", "/run/crio/crio.sock", "/proc/1"]
_CLIENT_ENV = [
    {"name": "DOCKER_HOST", "value": "tcp://localhost:2375"},
    {"name": "DOCKER_HOST", "value": "unix:///var/run/docker.sock"},
    {"name": "DOCKER_HOST", "value": "unix:///host/docker.sock"},
    {"name": "DOCKER_TLS_VERIFY", "value": "1"},
]
_MOUNT_PATHS = ["/var/run/docker.sock", "/host/docker.sock", "/run/docker.sock"]


@st.composite
def _migratable_pods(draw: st.DrawFn) -> JsonObject:
    """Return pods, some of whose containers use a socket of the node, or a daemon that is written by hand."""
    pod = draw(pods(unknown_members=False))
    spec = pod["spec"]
    pod["metadata"] = draw(st.sampled_from([{}, {"annotations": None}, {"labels": {"a": "b"}}, pod["metadata"]]))
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    if draw(st.booleans()):
        spec["volumes"] = [
            *(spec.get("volumes") or []),
            {"name": "sock", "hostPath": {"path": draw(st.sampled_from(_PATHS))}},
        ]
        for container in draw(st.lists(st.sampled_from(containers), unique_by=id)):
            mount = {"name": "sock", "mountPath": draw(st.sampled_from(_MOUNT_PATHS))}
            container["volumeMounts"] = [*(container.get("volumeMounts") or []), mount]
    if draw(st.booleans()):
        args = draw(st.sampled_from([[], ["--tls=false"], ["--mtu", "1400"], ["dockerd"]]))
        daemon = {"name": "own", "image": "docker:29-dind", "args": args, "securityContext": {"privileged": True}}
        spec["containers"] = [*spec["containers"], daemon]
    for container in draw(st.lists(st.sampled_from(containers), unique_by=id)):
        container["env"] = [*(container.get("env") or []), draw(st.sampled_from(_CLIENT_ENV))]
    return pod


@given(_migratable_pods(), st.sampled_from(["Pod", "DaemonSet"]))
def test_what_converts_is_injected_and_is_then_no_finding(policy: Policy, pod: JsonObject, kind: str) -> None:
    request = MigrationRequest(Mode.SIDECAR, policy)
    finding = examine(pod, kind, request)
    assert finding is None or bool(finding.operations) is (finding.verdict is Verdict.CONVERTS)
    if finding is not None and finding.operations:
        rewritten = jsonpatch.apply_patch(pod, list(finding.operations))
        assert decide_for_namespace(rewritten, "enabled", policy).outcome is Outcome.INJECTED
        assert examine(rewritten, kind, request) is None


@given(_migratable_pods().flatmap(break_pod))
def test_no_broken_pod_crashes_it(policy: Policy, pod: JsonObject) -> None:
    examine(pod, "Deployment", MigrationRequest(Mode.SIDECAR, policy))


@given(st.dictionaries(st.sampled_from(["spec", "metadata", "hostPath", "image"]), json_values, max_size=3))
def test_no_object_crashes_the_search(resource: dict[str, Any]) -> None:
    examine_unknown(resource)
