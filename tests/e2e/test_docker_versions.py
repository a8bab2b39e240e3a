"""The newest and an older Docker, as daemon and as client: docs/compatibility.md has the versions.

The image is Debian's Docker 26.1, without the official image's entrypoint, as in images that operators build.
"""

import json

import pytest
import workloads
from kube import Namespace
from workloads import DAEMON, DOCKER, OLD_DAEMON, container

pytestmark = pytest.mark.xdist_group("versions")

OLD_CLIENT = OLD_DAEMON.replace("-dind", "-cli")
COMMON_USES = """\
docker version --format '{{.Client.Version}} {{.Server.Version}}'
docker pull busybox
mkdir /tmp/context && cd /tmp/context
printf '%s\\n' 'FROM busybox' 'RUN echo made by RUN >/made' 'CMD ["cat", "/made"]' >Dockerfile
docker build -t made .
docker network create project
docker run --detach --network project --name web made sleep 600
docker run --rm --network project busybox ping -c 1 web
docker save -o /tmp/made.tar made
docker rm --force web
docker rmi made
docker load -i /tmp/made.tar
docker run --rm made
"""


@pytest.mark.parametrize("daemon", [DAEMON, OLD_DAEMON])
@pytest.mark.parametrize("client", [DOCKER, OLD_CLIENT])
def test_each_client_pulls_builds_connects_saves_and_loads_with_each_daemon(
    ci: Namespace, client: str, daemon: str
) -> None:
    log = run_common_uses(ci, client, image=daemon)
    majors = [version[:3] for version in log[0].split()]
    assert majors == [image.removeprefix("docker:")[:3] for image in (client, daemon)]
    assert log[-1] == "made by RUN"


def test_an_older_daemon_takes_every_flag_that_options_become(ci: Namespace, registry_mirror: str) -> None:
    options = {
        "image": OLD_DAEMON,
        "mtu": "1300",
        "address-pools": "10.213.0.0/16:24",
        "tcp": "127.0.0.1:2375",
        "group": "4321",
        "insecure-registries": "registry.invalid:5000",
        "registry-mirrors": registry_mirror or "https://mirror.invalid",
        "dockerd-args": json.dumps(["--label=of=e2e"]),
    }
    script = """\
docker --host=tcp://127.0.0.1:2375 info --format '{{.Labels}}'
stat -c %g /run/dind/docker.sock
docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' $(docker network create of-a-user)
"""
    pod = ci.run(workloads.pod(script, options=options)).succeeds()
    labels, group, subnet = pod.log("build").splitlines()
    assert (labels, group) == ("[of=e2e]", "4321")
    assert subnet.startswith("10.213.")


@pytest.mark.node
def test_the_daemon_starts_through_the_entrypoint_of_its_image(ci: Namespace) -> None:
    """The entrypoint reaps processes and mounts a tmpfs on /tmp. It opens no port if the first argument is dockerd."""
    pod = ci.run(workloads.pod(workloads.FOREVER)).ready()
    assert pod.exec("cat /proc/1/comm", "dind") == "docker-init\n"
    assert " /tmp tmpfs " in pod.exec("cat /proc/mounts", "dind")
    assert ":2375" not in pod.log("dind")
    assert "(nf_tables)" in pod.log("dind")


@pytest.mark.node
def test_containers_are_connected_with_legacy_iptables_too(ci: Namespace, registry_mirror: str) -> None:
    """Packets to the pod's own address go through the rules; for 127.0.0.1 there is docker-proxy."""
    script = f"""\
docker run --detach --publish 8080:80 --name web busybox sh -c 'while true; do echo served | nc -l -p 80; done'
until nc "$(hostname -i)" 8080 </dev/null; do sleep 0.2; done
docker run --rm busybox wget -q -O - {registry_mirror}/v2/
"""
    options = {"env": json.dumps({"DOCKER_IPTABLES_LEGACY": "1"})}
    pod = ci.run(workloads.pod(script, options=options)).succeeds()
    assert "served" in pod.log("build")
    assert "(legacy)" in pod.log("dind")


def run_common_uses(namespace: Namespace, client: str, **options: str) -> list[str]:
    """Run a script that uses Docker like a CI job, and return the lines of its output."""
    pod = namespace.run(workloads.pod(container(COMMON_USES, image=client), options=options))
    return pod.succeeds().log("build").splitlines()
