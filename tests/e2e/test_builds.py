"""Common uses of Docker in a CI pod."""

import pytest
import workloads
from cluster.cluster import Cluster
from kube import Namespace, until
from workloads import container

FOREVER = "trap 'exit 0' TERM; while true; do sleep 1; done"
POSTGRES = "postgres:17-alpine"


def run(namespace: Namespace, script: str) -> list[str]:
    """Run a script in a pod until it ends, and return the lines of its output."""
    return namespace.run(workloads.pod(script)).succeeds().log("build").splitlines()


def test_an_image_is_built_and_run(ci: Namespace) -> None:
    # Debian's BuildKit, from Docker 20.10, uses a mirror over plain HTTP only if it is an insecure registry too.
    script = """\
export DOCKER_BUILDKIT=0
mkdir /tmp/context && cd /tmp/context
printf '%s\\n' 'FROM busybox' 'RUN echo made by RUN >/made' 'CMD ["cat", "/made"]' >Dockerfile
docker build --tag made .
docker run --rm made
"""
    assert run(ci, script)[-1] == "made by RUN"


def test_containers_find_each_other_by_name_as_with_compose(ci: Namespace) -> None:
    script = """\
docker network create project
docker run --detach --network project --name web busybox sh -c 'echo served | nc -l -p 80'
for i in $(seq 50); do
  docker run --rm --network project busybox sh -c 'nc web 80 </dev/null' && exit
  sleep 0.2
done
exit 1
"""
    assert run(ci, script)[-1] == "served"


def test_a_container_that_mounts_var_run_docker_sock_reaches_the_same_daemon(ci: Namespace) -> None:
    # An image with the Docker client and its libraries
    script = """\
docker create --name sibling busybox
tar --create --dereference --file - /usr/bin/docker $(ldd /usr/bin/docker | grep --only-matching '/[^ ]*') |
  docker import - client
docker run --rm --volume /var/run/docker.sock:/var/run/docker.sock client /usr/bin/docker ps --all --format '{{.Names}}'
"""
    assert "sibling" in run(ci, script)


def test_a_tool_that_ignores_docker_host_finds_the_socket(ci: Namespace) -> None:
    assert run(ci, "unset DOCKER_HOST; docker run --rm busybox echo reached")[-1] == "reached"


def test_what_an_image_keeps_in_var_run_is_still_there(ci: Namespace) -> None:
    """The image is a replacement for postgres: it has the directory for the socket, but no server."""
    keeps = container("test -d /var/run/postgresql && touch /var/run/postgresql/.s && echo kept", "db", POSTGRES)
    pod = ci.run(workloads.pod(keeps)).succeeds()
    assert pod.log("db") == "kept\n"


@pytest.mark.node
def test_a_job_goes_on_after_its_daemon_crashed(ci: Namespace, node: Cluster) -> None:
    pod = ci.run(workloads.pod(FOREVER)).ready()
    pod.exec("docker pull busybox")
    before = pod.status("dind")
    node.crash(before["containerID"].removeprefix("containerd://"))
    until(
        "the daemon to start again", lambda: pod.status("dind")["restartCount"] > before["restartCount"], pod.describe
    )
    until("it to answer", lambda: "yes" in pod.exec("docker info >/dev/null 2>&1 && echo yes || echo no"), pod.describe)
    # The image pulled before the crash is still in the volume.
    assert pod.exec("docker run --rm --pull=never busybox echo goes on") == "goes on\n"
    assert pod.status("build")["restartCount"] == 0
