"""`check` and `explain` on a real install and its pods. tests/chart/on_a_cluster tests more broken installs."""

import cli_plugin
import pytest
import workloads
from cluster.release import NAME
from kube import Kube, Namespace, until
from workloads import FOREVER, INJECT

pytestmark = pytest.mark.any_node


def test_a_healthy_install_passes_every_check(ci: Namespace) -> None:
    """The checks cover everything from the replicas' certificates to an injected pod."""
    ci.run(workloads.pod(FOREVER)).ready()
    found: dict[str, cli_plugin.CheckResult] = {}

    def passes() -> bool:
        found.clear()
        found.update({name: one for name, one in cli_plugin.check(ci).items() if one.status != "passed"})
        return not found

    # Other tests install and remove releases at the same time, and `check` cannot read all objects at one instant.
    until("every check to pass", passes, lambda: str(found))


def test_a_healthy_install_ends_with_a_line_that_says_so_and_0(ci: Namespace) -> None:
    done = cli_plugin.run_plugin("check", f"--webhook={NAME}", f"--namespace={ci.name}")
    assert done.stdout.splitlines()[-1].startswith("0 failed, ")
    assert done.returncode == 0


def test_a_pod_that_runs_without_docker_since_before_its_namespace_opted_in(kube: Kube) -> None:
    with kube.namespace(inject=None) as namespace:
        pod = namespace.run(workloads.pod(FOREVER)).ready()
        assert "untouched (namespace-not-opted-in)" in cli_plugin.explain(pod)
        kube.core.patch_namespace(namespace.name, {"metadata": {"labels": {INJECT: "enabled"}}})

        found = cli_plugin.check(namespace)["pods-have-docker"]
        assert found.status == "warning"
        assert found.sentences[0].startswith(f"pod {namespace.name}/ci: it was created before its namespace opted in")
        explained = cli_plugin.explain(pod)
        assert "it has no Docker, but would be injected (sidecar) if it were created now" in explained
        recreate = f"kubectl -n {namespace.name} delete pod ci, then create it from its manifest"
        assert found.hints == [recreate]
        assert recreate in explained

        # The fix that the hint names
        kube.core.delete_namespaced_pod("ci", namespace.name)
        until("the pod to go", lambda: not namespace.pods())
        namespace.run(workloads.pod(FOREVER)).ready()
        assert cli_plugin.check(namespace)["pods-have-docker"].status == "passed"
        assert "it has Docker: injected when it was created" in cli_plugin.explain(pod)
