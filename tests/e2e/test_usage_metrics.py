"""What a Prometheus finds about injected daemons: dockerd's metrics, and those of kubelet that the dashboard shows."""

import json
import re
from collections.abc import Iterator

import pytest
import workloads
from cluster import vm
from cluster.paths import CHART
from cluster.release import Helm
from kube import Kube, Manifest, Namespace, until
from prometheus_client.parser import text_string_to_metric_families
from releases import Release, install_release

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("limits")]

_PORT = 9323


@pytest.fixture(scope="module")
def release(kube: Kube, helm: Helm) -> Iterator[Release]:
    settings = {"injection": {"defaults": {"metrics-port": _PORT}}}
    with install_release(kube, helm, {"settings": settings}) as installed:
        yield installed


@pytest.fixture
def namespace(release: Release) -> Iterator[Namespace]:
    with release.namespace_of() as found:
        yield found


def test_dockerd_serves_its_metrics_on_the_named_port(namespace: Namespace) -> None:
    script = "tar -c -C / bin | docker import - image-by-test && docker create --name by-test image-by-test true"
    pod = namespace.run(workloads.pod(f"{script}; {workloads.FOREVER}")).ready()
    stored = pod.read()
    # What charts/dind-webhook/templates/podmonitor-sidecar.yaml selects
    assert stored["metadata"]["labels"]["dind.io/injected"] == "sidecar"
    port = next(port for one in _containers(stored) for port in one.get("ports", []) if port["name"] == "dind-metrics")
    line = re.compile(r'^engine_daemon_container_states_containers{state="stopped"} 1$', re.MULTILINE)

    def page() -> str:
        found: str = namespace.kube.core.connect_get_namespaced_pod_proxy_with_path(
            f"{pod.name}:{port['containerPort']}", namespace.name, "metrics"
        )
        return found

    until("the container to be counted", lambda: bool(line.search(page())), page)
    assert "by-test" not in page()


def test_kubelet_has_each_metric_of_the_dashboard_for_a_daemon(namespace: Namespace) -> None:
    """The queries are PromQL by tests/chart; here their names and labels are those of the kubelet."""
    options = {"storage-size": "1Gi", "cpu-limit": "1"}
    pod = namespace.run(workloads.pod(workloads.FOREVER, options=options)).ready()
    dashboard = (CHART / "files" / "dashboard-usage.json").read_text("utf-8")
    queries = [target["expr"] for panel in json.loads(dashboard)["panels"] for target in panel["targets"]]
    wanted = {name for query in queries for name in re.findall(r"\bcontainer_\w+(?={)", query)}
    assert len(wanted) >= 6

    def missing() -> set[str]:
        page = namespace.kube.core.connect_get_node_proxy_with_path(vm.NAME, "metrics/cadvisor")
        labels = {"namespace": namespace.name, "pod": pod.name, "container": "dind"}
        samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
        return wanted - {sample.name for sample in samples if sample.labels.items() >= labels.items()}

    until("kubelet to have the metrics", lambda: not missing(), lambda: ", ".join(sorted(missing())))


def _containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
