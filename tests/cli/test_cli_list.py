"""`dind-webhook list` over a real socket to an API server in memory: tables, JSON, rights."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from diagnostics.healthy import injected, pod
from fake_api import Answers, api_server, forbidden

from dind_webhook.cli.list_pods import format_age
from dind_webhook.diagnostics import Usage, collect_injected_pods
from dind_webhook.model import JsonObject

Run = Callable[..., Any]
PODS, METRICS = "/api/v1/pods", "/apis/metrics.k8s.io/v1beta1/pods"
JOB = [{"kind": "Job", "name": "build", "controller": True}]


def running(name: str = "build-x7", mode: str = "sidecar", namespace: str = "ci", **metadata: Any) -> JsonObject:
    made = injected(pod(name, mode, namespace, **metadata))
    made["spec"]["nodeName"] = "node-1"
    return made


def metrics(name: str = "build-x7", namespace: str = "ci") -> JsonObject:
    containers = [
        {"name": "build", "usage": {"cpu": "1", "memory": "1Gi"}},
        {"name": "dind", "usage": {"cpu": "119123456n", "memory": "262144Ki"}},
    ]
    return {"metadata": {"name": name, "namespace": namespace}, "containers": containers}


@pytest.fixture
def list_pods(run: Run, tmp_path: Path) -> Callable[..., Any]:
    def list_pods_(answers: Answers, *arguments: str) -> Any:
        with api_server({"/version": {"major": "1", "minor": "37"}, **answers}, tmp_path) as kubeconfig:
            return run("list", *arguments, "--kubeconfig", kubeconfig)

    return list_pods_


List = Callable[..., Any]


def rows(ran: Any) -> list[list[str]]:
    return [line.split() for line in ran.stdout.splitlines()]


def test_a_row_says_whose_pod_it_is_and_what_its_daemon_requests_and_uses(list_pods: List) -> None:
    created = (datetime.now(UTC) - timedelta(hours=2, minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ran = list_pods({PODS: [running(ownerReferences=JOB, creationTimestamp=created)], METRICS: [metrics()]})
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert rows(ran) == [
        ["NAMESPACE", "NAME", "OWNER", "MODE", "CPU", "MEMORY", "AGE", "IMAGE"],
        ["ci", "build-x7", "Job/build", "sidecar", "119m/250m", "256Mi/512Mi", "2h5m", "docker:29.8.2-dind"],
    ]


def test_a_pod_without_a_daemon_of_its_own_has_no_amounts(list_pods: List) -> None:
    ran = list_pods({PODS: [running(mode="daemonset")], METRICS: [metrics()]})
    assert rows(ran)[1] == ["ci", "build-x7", "-", "daemonset", "-", "-", "-", "-"]
    assert ran.stderr == ""


@pytest.mark.parametrize(
    "status",
    [
        "[" * 120_000,
        '{"mode": "\\ud800"}',
        json.dumps({"mode": "x" * 200_000}),
        json.dumps({"mode": ["sidecar"]}),
        json.dumps({"mode": "sidecar", "isolation": "x"}),
        json.dumps({"mode": "sidecar", "version": "1" * 65}),
    ],
    ids=["nested", "surrogate", "long", "list", "isolation", "version"],
)
@pytest.mark.parametrize("output", ["table", "json"])
def test_a_status_that_no_webhook_wrote_is_no_row(list_pods: List, status: str, output: str) -> None:
    """Anybody may write label and annotation in a namespace that has not opted in."""
    forged = running("forged")
    forged["metadata"]["annotations"]["dind.io/status"] = status
    arguments = ("-o", "json") if output == "json" else ()
    ran = list_pods({PODS: [forged, running()], METRICS: []}, *arguments)
    assert ran.exit_code == 0
    assert "forged" not in ran.stdout
    assert "build-x7" in ran.stdout


def test_pods_are_sorted(list_pods: List) -> None:
    pods = [running("b", namespace="b"), running("z", namespace="a"), running("a", namespace="b")]
    ran = list_pods({PODS: pods, METRICS: []})
    assert [row[:2] for row in rows(ran)[1:]] == [["a", "z"], ["b", "a"], ["b", "b"]]


def test_wide_shows_more(list_pods: List) -> None:
    head, row = rows(list_pods({PODS: [running()], METRICS: [metrics()]}, "-o", "wide"))
    assert head[8:] == ["ISOLATION", "LIMITS", "STATUS", "NODE", "VERSION"]
    assert row[8:12] == ["none", "cpu=2,memory=4Gi", "Running", "node-1"]


def test_json_has_every_member(list_pods: List) -> None:
    (found,) = json.loads(list_pods({PODS: [running()], METRICS: [metrics()]}, "-o", "json").stdout)["pods"]
    assert found["usage"] == {"cpu_millicores": 119, "memory_bytes": 268435456}
    assert found["requests"] == {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "2Gi"}
    assert (found["mode"], found["isolation"], found["container"]) == ("sidecar", "none", "dind")
    assert (found["owner"], found["created_at"]) == (None, None)


def test_names_are_those_of_kubectl(list_pods: List) -> None:
    assert list_pods({PODS: [running()], METRICS: []}, "-o", "name").stdout == "pod/build-x7\n"


def test_one_namespace_needs_only_rights_there(list_pods: List) -> None:
    answers = {
        "/api/v1/namespaces/ci/pods": [running()],
        "/apis/metrics.k8s.io/v1beta1/namespaces/ci/pods": [metrics()],
    }
    assert rows(list_pods(answers, "-n", "ci"))[1][4] == "119m/250m"


def test_without_metrics_the_use_is_unknown_and_the_reason_is_said(list_pods: List) -> None:
    ran = list_pods({PODS: [running()]})
    assert ran.exit_code == 0
    assert rows(ran)[1][4:6] == ["-/250m", "-/512Mi"]
    assert ran.stderr.startswith("the use of CPU and memory is not known: ")
    tree = json.loads(list_pods({PODS: [running()]}, "-o", "json").stdout)
    assert tree["pods"][0]["usage"] == {"cpu_millicores": None, "memory_bytes": None}
    assert tree["usage_problem"]


def test_without_rights_the_way_on_is_said(list_pods: List) -> None:
    ran = list_pods({PODS: forbidden("list", "pods")})
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "deploy/rbac/list.yaml" in ran.stderr
    assert "error: you may not list pods\n" in ran.stderr


def test_a_label_without_an_injection_is_not_listed(list_pods: List) -> None:
    forged = pod("forged", labels={"dind.io/injected": "sidecar"})
    broken = pod("broken")
    broken["metadata"]["annotations"]["dind.io/status"] = "{"
    ran = list_pods({PODS: [forged, broken], METRICS: []})
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "no injected pod in this cluster\n")
    assert json.loads(list_pods({PODS: []}, "-o", "json").stdout) == {"pods": [], "usage_problem": None}


@pytest.mark.parametrize(
    ("arguments", "says"), [(["-A", "-n", "ci"], "excludes"), (["-o", "xml"], "none of table, wide")]
)
def test_wrong_flags_are_refused(run: Run, arguments: list[str], says: str) -> None:
    ran = run("list", *arguments)
    assert ran.exit_code == 2
    assert says in ran.stderr


class _Cluster:
    """Records the lists that are read."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []

    def items(self, path: str, **query: str) -> Iterator[JsonObject]:
        self.requests.append((path, query))
        if "metrics" in path:
            yield {
                "metadata": {"name": "build-x7", "namespace": "ci"},
                "containers": [{"name": "dind", "usage": {"cpu": "x"}}],
            }
        else:
            yield running()


def test_only_injected_pods_that_have_not_ended_are_read() -> None:
    cluster = _Cluster()
    ((found,), problem) = collect_injected_pods(cluster, None)  # type: ignore[arg-type]  # the part that is used
    assert (found.usage, problem) == (Usage(), "")
    selector = {"labelSelector": "dind.io/injected"}
    assert cluster.requests == [
        (PODS, {**selector, "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}),
        (METRICS, selector),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (90, "1m30s"), (500, "8m"), (3600, "1h"), (7500, "2h5m"),
     (86400, "1d"), (90000, "1d1h"), (864000, "10d")],
)  # fmt: skip
def test_an_age_has_two_units_at_most(seconds: int, text: str) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert format_age(now - timedelta(seconds=seconds), now) == text
