"""The dashboards and alerts of the chart are PromQL over metrics and labels that exist."""

import json
import re
from typing import Any

import promql_parser as promql
import pytest
import yaml
from helm import CHART, RELEASE, only, render

MONITORING = yaml.safe_load((CHART / "ci/monitoring-values.yaml").read_text())
USAGE = "dind-usage.json"

_OF_A_POD = {"namespace", "pod", "uid"}
_OF_A_CONTAINER = {*_OF_A_POD, "container"}
_OF_CADVISOR = {"namespace", "pod", "container", "id", "name", "image"}
# Metrics of others, with their labels.
METRICS = {
    # kube-state-metrics, docs/metrics/workload/pod-metrics.md
    "kube_pod_labels": {*_OF_A_POD, "label_dind_io_injected"},
    "kube_pod_status_phase": {*_OF_A_POD, "phase"},
    "kube_pod_container_info": {*_OF_A_CONTAINER, "image", "image_id", "image_spec", "container_id"},
    "kube_pod_init_container_info": {
        *_OF_A_CONTAINER,
        "image",
        "image_id",
        "image_spec",
        "container_id",
        "restart_policy",
    },
    "kube_pod_container_status_running": _OF_A_CONTAINER,
    "kube_pod_init_container_status_running": _OF_A_CONTAINER,
    "kube_pod_container_status_restarts_total": _OF_A_CONTAINER,
    "kube_pod_init_container_status_restarts_total": _OF_A_CONTAINER,
    "kube_pod_container_resource_requests": {*_OF_A_CONTAINER, "node", "resource", "unit"},
    "kube_pod_init_container_resource_requests": {*_OF_A_CONTAINER, "node", "resource", "unit"},
    "kube_pod_container_resource_limits": {*_OF_A_CONTAINER, "node", "resource", "unit"},
    "kube_pod_init_container_resource_limits": {*_OF_A_CONTAINER, "node", "resource", "unit"},
    # The kubelet's /metrics/cadvisor: metrics/prometheus.go of google/cadvisor (lib 0.60.5), for the sets of metrics
    # and with the labels in pkg/kubelet/server/server.go of Kubernetes 1.37. container_fs_usage_bytes is not here:
    # containers of containerd have none.
    "container_cpu_usage_seconds_total": {*_OF_CADVISOR, "cpu"},
    "container_cpu_cfs_periods_total": _OF_CADVISOR,
    "container_cpu_cfs_throttled_periods_total": _OF_CADVISOR,
    "container_memory_working_set_bytes": _OF_CADVISOR,
    "container_oom_events_total": _OF_CADVISOR,
    "container_fs_writes_bytes_total": {*_OF_CADVISOR, "device"},
    # The kubelet's /metrics: pkg/kubelet/metrics/collectors/volume_stats.go of Kubernetes 1.37
    "kubelet_volume_stats_used_bytes": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"namespace", "persistentvolumeclaim"},
}


def _dashboards(values: Any = MONITORING) -> dict[str, Any]:
    config = only(render(values), "ConfigMap", f"{RELEASE}-dashboard")
    return {name: json.loads(text) for name, text in config["data"].items()}


DASHBOARDS = (USAGE, "dind-webhook.json")


def _expressions(dashboard: Any) -> list[str]:
    """Return the queries, with what Grafana writes in the place of its variables."""
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])
            assert found
            texts.append(found[1])
    return [re.sub(r"\$__(rate_interval|range)\b", "5m", text) for text in texts]


def _nodes(text: str) -> list[Any]:
    nodes: list[Any] = []
    promql.walk(promql.parse(text), nodes.append)
    return nodes


def _selectors(text: str) -> list[tuple[set[str], set[str]]]:
    """Return for each selector of a query the metrics that it may select, and the labels that it compares."""
    found = []
    for node in _nodes(text):
        if isinstance(node, promql.VectorSelector):
            matchers = {matcher.name: matcher.value for matcher in node.matchers.matchers}
            pattern = node.name or matchers.pop("__name__")
            names = {name for name in METRICS if re.fullmatch(pattern, name)} or {pattern}
            found.append((names, set(matchers)))
    return found


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_of_a_dashboard_is_promql(name: str) -> None:
    for text in _expressions(_dashboards()[name]):
        promql.parse(text)  # checks types too


def test_every_alert_is_promql() -> None:
    (group,) = only(render(MONITORING), "PrometheusRule")["spec"]["groups"]
    for rule in group["rules"]:
        promql.parse(rule["expr"])


def test_the_dashboard_of_usage_speaks_of_metrics_and_labels_that_exist() -> None:
    for text in _expressions(_dashboards()[USAGE]):
        grouped = set()
        for node in _nodes(text):
            if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
                grouped |= set(node.modifier.labels)
        selectors = _selectors(text)
        assert selectors or text == "vector(0)"
        for names, compared in selectors:
            for metric in names:
                assert metric in METRICS, text
                assert compared <= METRICS[metric], text
        assert grouped <= set().union(*(METRICS[metric] for names, _ in selectors for metric in names)), text


def test_a_native_sidecar_counts_where_an_ordinary_container_does() -> None:
    """kube-state-metrics has metrics of their own for init containers, which native sidecars are."""
    for text in _expressions(_dashboards()[USAGE]):
        named = set().union(*(names for names, _ in _selectors(text)))
        for metric in named:
            if metric.startswith("kube_pod_container_"):
                assert metric.replace("kube_pod_", "kube_pod_init_") in named, text
            if metric.startswith("kube_pod_init_container_"):
                assert metric.replace("kube_pod_init_", "kube_pod_") in named, text


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_a_number_and_a_place_of_their_own(name: str) -> None:
    panels = _dashboards()[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        place = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not place & taken
        assert max(x for x, _ in place) < 24
        taken |= place


def test_dashboards_have_different_uids() -> None:
    dashboards = _dashboards()
    assert dashboards.keys() == set(DASHBOARDS)
    assert len({dashboard["uid"] for dashboard in dashboards.values()}) == len(DASHBOARDS)


@pytest.mark.parametrize(
    ("injection", "daemonset", "containers"),
    [
        ({}, True, "dind"),
        ({"container_name": "docker"}, False, "docker"),
        # The container of the DaemonSet has always the same name.
        ({"container_name": "docker"}, True, "docker|dind"),
    ],
    ids=str,
)
def test_the_dashboard_of_usage_finds_containers_by_the_names_of_this_release(
    injection: dict[str, str], daemonset: bool, containers: str
) -> None:
    values = {**MONITORING, "settings": {"injection": injection}, "daemonset": {"enabled": daemonset}}
    (variable,) = [v for v in _dashboards(values)[USAGE]["templating"]["list"] if v["name"] == "container"]
    assert variable["query"] == variable["current"]["value"] == containers


def test_the_dashboard_of_usage_finds_claims_by_the_name_of_the_volume() -> None:
    def claims(values: Any) -> set[str]:
        return set(re.findall(r'persistentvolumeclaim=~"(.+?)"', " ".join(_expressions(_dashboards(values)[USAGE]))))

    assert claims(MONITORING) == {".+-dind-storage"}
    assert claims({**MONITORING, "settings": {"injection": {"storage_volume": "docker"}}}) == {".+-docker"}
