"""`make bench-limits`: count the pods that pass the tests of limits, while a container takes too much memory.

The pods run in the virtual machine of a cluster started for it. Each has one of the forms of FORMS. The exit code is 1 if
a pod failed.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import test_limits
from cluster import cluster, release
from cluster.cluster import Cluster
from cluster.errors import ClusterError
from cluster.paths import Cache, State
from kube import Kube, Pod
from kubernetes.client.exceptions import ApiException

# The options of each form
FORMS = {
    "native sidecar": {},
    "ordinary container": {"placement": "container"},
    "as people wrote it by hand": test_limits.HANDWRITTEN,
    "Docker 26.1": {"image": test_limits.OLD_DAEMON},
}
# The first one starts the container that takes too much memory.
CHECKS: dict[str, Callable[[Pod, Cluster], None]] = {
    "it ends alone": lambda pod, _: test_limits.test_a_container_that_takes_too_much_memory_ends_alone(pod),
    "stats are right": lambda pod, _: test_limits.test_docker_shows_and_sets_what_a_container_uses(pod),
    "no cgroup outside": test_limits.test_all_containers_are_below_the_daemons_own_cgroup,
}
# More pods at the same time would wait for the processors of the virtual machine.
_AT_A_TIME = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=52)
    count = parser.parse_args().pods
    try:
        passed = measure(count)
    except ClusterError as error:
        sys.exit(str(error))
    forms = [form for form, _ in _pods(count)]
    for form in FORMS:
        results = (f"{check} {passed[form, check]}" for check in CHECKS)
        print(f"{form}, {forms.count(form)} pods: {', '.join(results)}")
    sys.exit(int(passed.total() < count * len(CHECKS)))


def measure(count: int) -> Counter[tuple[str, str]]:
    """Start a cluster, and return what count_pods returns there."""
    state = State("bench-lim")
    started = cluster.up(state, Cache.of_user())
    try:
        release.install(started, compiled=False)
        return count_pods(started, count)
    finally:
        cluster.down(state)


def _pods(count: int) -> list[tuple[str, dict[str, str]]]:
    """Return the form of each pod and its options: all forms in turn."""
    forms = list(FORMS.items())
    return [forms[number % len(forms)] for number in range(count)]


def count_pods(node: Cluster, count: int) -> Counter[tuple[str, str]]:
    """Run this many pods, and return how many passed, by form and check."""
    with ThreadPoolExecutor(_AT_A_TIME) as executor:
        results = executor.map(lambda pod: _run_pod(node, *pod), _pods(count))
        return Counter(passed for pod in results for passed in pod)


def _run_pod(node: Cluster, form: str, options: dict[str, str]) -> list[tuple[str, str]]:
    """Run a pod, and return its form with each check that passed. Print why a check failed."""
    # A client of Kubernetes cannot execute commands from two threads.
    kube = Kube.load(str(node.kubeconfig))
    passed = []
    with kube.namespace() as namespace:
        try:
            pod = test_limits.start(namespace, **options)
            for name, check in CHECKS.items():
                check(pod, node)
                passed.append((form, name))
        except (AssertionError, ClusterError, ApiException) as error:
            print(f"{form}: {error}", file=sys.stderr)
    print(f"{form}: passed {len(passed)} of {len(CHECKS)} checks", file=sys.stderr)
    return passed


if __name__ == "__main__":
    main()
