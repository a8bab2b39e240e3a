"""Each option of sidecar mode, by its effect on a running daemon.

test_limits.py tests those of the daemon's limits, test_shared_volumes.py share-volumes, and test_daemonset.py those of
daemonset mode.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

import pytest
import workloads
from kube import Kube, Manifest, Namespace, Pod, until
from kubernetes.client import V1PersistentVolumeClaimSpec
from workloads import FOREVER, container

from dind_webhook.injection.start_script import start_command

pytestmark = pytest.mark.any_node

# File system types of linux/magic.h, in hexadecimal
TMPFS, OVERLAYFS = "1021994", "794c7630"


def with_options(namespace: Namespace, script: str = FOREVER, **options: str) -> Pod:
    """Run a pod with options, whose names have _ instead of -."""
    spelt = {name.replace("_", "-"): value for name, value in options.items()}
    return namespace.run(workloads.pod(script, options=spelt))


def without_volume(*flags: str) -> Manifest:
    """Return the daemon's container with its start script, but without a volume for its data."""
    return {
        "name": "dind",
        "image": workloads.DAEMON,
        "command": start_command(),
        "args": ["dockerd", *flags],
        "securityContext": {"privileged": True},
    }


def file_system(pod: Pod) -> str:
    """Return the type of the file system under the daemon's data directory."""
    return pod.exec("stat -f -c %t /var/lib/docker", "dind").strip()


@contextmanager
def node_directory(kube: Kube, name: str, storage_class: str) -> Iterator[None]:
    """Create a PersistentVolume in a directory of the node, for claims of this storage class ("": of none)."""
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": storage_class,
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/var/lib/{name}", "type": "DirectoryOrCreate"},
        },
    }
    kube.make(volume)
    try:
        yield
    finally:
        kube.delete("PersistentVolume", name)


def claim_that_goes(pod: Pod) -> V1PersistentVolumeClaimSpec:
    """Use the daemon, delete the pod, check that its claim is deleted too, and return the claim."""
    core = pod.kube.core
    (claim,) = core.list_namespaced_persistent_volume_claim(pod.namespace).items
    pod.exec("docker run --rm busybox true")
    core.delete_namespaced_pod(pod.name, pod.namespace)
    until("the claim to go", lambda: not core.list_namespaced_persistent_volume_claim(pod.namespace).items)
    return claim.spec


class TestStorage:
    def test_is_on_the_nodes_disk_unless_said_otherwise(self, ci: Namespace) -> None:
        pod = with_options(ci).ready()
        assert file_system(pod) not in {TMPFS, OVERLAYFS}
        # The driver of the containerd image store; older daemons use overlay2.
        assert pod.exec("docker info --format '{{.Driver}}'") == "overlayfs\n"

    @pytest.mark.node
    def test_without_a_volume_a_sentence_says_what_to_do(self, ci: Namespace) -> None:
        """The replacement for the official image has no volume of its own at this path, as with CRI-O."""
        pod = ci.run(workloads.pod(without_volume(), inject=None))
        pod.until(lambda: pod.phase == "Failed", "fail")
        assert "Mount a volume at /var/lib/docker" in pod.status("dind")["state"]["terminated"]["message"]

    def test_without_a_volume_the_native_driver_works(self, ci: Namespace, registry_mirror: str) -> None:
        mirror = [f"--registry-mirror={registry_mirror}"] if registry_mirror else []
        pod = ci.run(workloads.pod(without_volume("--storage-driver=native", *mirror), inject=None))
        until(
            "the daemon to answer", lambda: pod.is_ready and pod.exec(workloads.ANSWERS) == "a daemon\n", pod.describe
        )
        pod.exec("docker run --rm busybox true")

    def test_memory_is_a_tmpfs_on_which_images_run(self, ci: Namespace) -> None:
        pod = with_options(ci, storage_medium="Memory", storage_size="512Mi").ready()
        assert file_system(pod) == TMPFS
        pod.exec("docker run --rm busybox true")

    def test_a_storage_class_is_a_claim_that_goes_with_the_pod(self, ci: Namespace, kube: Kube) -> None:
        name = f"e2e-{token_hex(4)}"
        with node_directory(kube, name, storage_class=name):
            claim = claim_that_goes(with_options(ci, storage_class=name, storage_size="1Gi").ready())
        assert claim.volume_name == name

    def test_a_volume_without_a_class_is_a_claim_without_one(self, ci: Namespace, kube: Kube) -> None:
        name = f"e2e-{token_hex(4)}"
        with node_directory(kube, name, storage_class=""):
            claim = claim_that_goes(with_options(ci, storage_medium="Volume", storage_size="1Gi").ready())
        assert claim.storage_class_name or claim.volume_name == name

    def test_a_pod_that_takes_more_than_its_size_is_evicted(self, ci: Namespace, kube: Kube) -> None:
        if not any("ephemeral-storage" in node.status.capacity for node in kube.core.list_node().items):
            pytest.skip("kubelet does not measure what pods keep on its disk: localStorageCapacityIsolation is off")
        fill = "docker run --name big busybox sh -c 'head -c 100000000 /dev/zero >/big'; sleep 600"
        pod = with_options(ci, fill, storage_size="60Mi")
        pod.until(lambda: pod.read()["status"].get("reason") == "Evicted", "be evicted")


class TestResources:
    def test_requests_are_what_the_node_has_set_aside(self, ci: Namespace) -> None:
        pod = with_options(ci, cpu_request="60m", memory_request="70Mi", ephemeral_storage_request="80Mi").ready()
        requests = pod.status("dind")["resources"]["requests"]
        assert requests == {"cpu": "60m", "memory": "70Mi", "ephemeral-storage": "80Mi"}


class TestNetwork:
    def test_the_mtu_reaches_the_default_network_and_those_that_users_make(self, ci: Namespace) -> None:
        pod = with_options(ci, mtu="1300").ready()
        read_mtu = "docker run --rm {} busybox cat /sys/class/net/eth0/mtu"
        assert pod.exec(read_mtu.format("")).strip() == "1300"
        pod.exec("docker network create of-a-user")
        assert pod.exec(read_mtu.format("--network of-a-user")).strip() == "1300"

    def test_networks_are_made_of_the_address_pools(self, ci: Namespace) -> None:
        pod = with_options(ci, address_pools="10.213.0.0/16:24").ready()
        pod.exec("docker network create of-a-user")
        subnet = pod.exec("docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' of-a-user").strip()
        assert subnet.startswith("10.213.")
        assert subnet.endswith("/24")

    def test_tcp_is_there_beside_the_socket(self, ci: Namespace) -> None:
        pod = with_options(ci, tcp="127.0.0.1:2375").ready()
        pod.exec("docker --host=tcp://127.0.0.1:2375 info && docker info")

    def test_no_tcp_port_is_open_unless_asked_for(self, ci: Namespace) -> None:
        pod = with_options(ci).ready()
        assert pod.exec("cat /proc/net/tcp /proc/net/tcp6 | grep -c ' 0A ' || true").strip() == "0"


class TestRegistries:
    def test_images_of_docker_hub_come_from_its_mirror(self, ci: Namespace, mirror: str) -> None:
        pod = with_options(ci, registry_mirrors=mirror).ready()
        assert mirror in pod.exec("docker info --format '{{.RegistryConfig.Mirrors}}'")
        pod.exec("docker pull busybox")

    def test_an_insecure_registry_is_spoken_to_without_tls(self, ci: Namespace, mirror: str) -> None:
        registry = mirror.removeprefix("http://")
        pull = f"docker pull {registry}/library/busybox"
        # An insecure registry must not be a mirror too.
        with_options(ci, pull, insecure_registries=registry, registry_mirrors="http://192.0.2.1:5000").succeeds()

    def test_any_other_registry_is_not(self, ci: Namespace, mirror: str) -> None:
        registry = mirror.removeprefix("http://")
        pod = with_options(ci, insecure_registries="registry.invalid:5000").ready()
        output = pod.exec(f"docker pull {registry}/library/busybox 2>&1 || true")
        assert "server gave HTTP response to HTTPS client" in output


class TestDaemon:
    def test_has_more_flags(self, ci: Namespace) -> None:
        pod = with_options(ci, dockerd_args=json.dumps(["--label=of=e2e"])).ready()
        assert "of=e2e" in pod.exec("docker info --format '{{.Labels}}'")

    def test_keeps_what_containers_write_apart_from_its_own_log(self, ci: Namespace) -> None:
        pod = with_options(ci, dockerd_args=json.dumps(["--log-driver=local"])).ready()
        pod.exec("tar -c -C / bin/busybox | docker import - own")
        pod.exec("docker run --name writes own /bin/busybox echo by-the-container")
        assert pod.exec("docker logs writes") == "by-the-container\n"
        assert pod.exec("docker inspect --format '{{.HostConfig.LogConfig.Type}}' writes") == "local\n"
        assert "by-the-container" not in pod.log("dind")

    def test_has_environment_variables(self, ci: Namespace) -> None:
        pod = with_options(ci, env=json.dumps({"HTTPS_PROXY": "http://proxy.invalid:3128"})).ready()
        assert "proxy.invalid:3128" in pod.exec("docker info --format '{{.HTTPSProxy}}'")

    def test_has_the_image_that_the_pod_chose(self, ci: Namespace) -> None:
        """Both tags are the same image here: the test shows only that the pod runs with the other name."""
        pod = with_options(ci, image="docker:dind").ready()
        (dind,) = pod.read()["spec"]["initContainers"]
        assert dind["image"] == "docker:dind"

    def test_as_an_ordinary_container_serves_the_others(self, ci: Namespace) -> None:
        pod = with_options(ci, placement="container").ready()
        assert [one["name"] for one in pod.read()["spec"]["containers"]] == ["build", "dind"]
        until("the daemon to answer", lambda: pod.exec(workloads.ANSWERS) == "a daemon\n")

    def test_as_an_ordinary_container_serves_the_client_that_it_gives(self, ci: Namespace) -> None:
        script = "until docker info; do sleep 0.2; done\ndocker buildx version && docker compose version\n"
        build = container(script, image=workloads.BUSYBOX)
        pod = ci.run(workloads.pod(build, options={"placement": "container", "client": "true"}))
        pod.until(lambda: "terminated" in pod.status("build").get("state", {}), "end its script")
        assert pod.status("build")["state"]["terminated"]["exitCode"] == 0, pod.describe()


class TestSocket:
    def test_its_directory_may_be_var_run_and_the_token_stays_readable(self, ci: Namespace) -> None:
        pod = with_options(ci, socket_dir="/var/run").ready()
        assert pod.exec("docker info >/dev/null && echo $DOCKER_HOST") == "unix:///var/run/docker.sock\n"
        assert pod.exec("head -c 3 /var/run/secrets/kubernetes.io/serviceaccount/token") == "eyJ"

    def test_belongs_to_the_group_that_the_pod_chose(self, ci: Namespace) -> None:
        pod = with_options(ci, group="4321").ready()
        assert pod.exec("stat -c %g /run/dind/docker.sock").strip() == "4321"

    def test_is_reached_by_users_who_are_not_root(self, ci: Namespace) -> None:
        restricted = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}
        script = "id -u; docker info >/dev/null && docker run --rm busybox echo reached"
        log = ci.run(workloads.pod(script, securityContext=restricted)).succeeds().log("build")
        assert log.splitlines()[0] == "1000"
        assert log.endswith("reached\n")


class TestContainers:
    def test_only_the_named_ones_get_docker(self, ci: Namespace) -> None:
        containers = (container(FOREVER), container(FOREVER, "other"))
        pod = ci.run(workloads.pod(*containers, options={"containers": "build"})).ready()
        pod.exec("docker info", "build")
        found = pod.exec("echo host=$DOCKER_HOST; ls -d /run/dind /var/run/docker.sock 2>/dev/null || true", "other")
        assert found == "host=\n"

    def test_init_containers_have_it_too(self, ci: Namespace) -> None:
        first = container("docker run --rm busybox echo from an init container", "first")
        pod = ci.run(workloads.pod("docker images --quiet | grep .", initContainers=[first])).succeeds()
        assert "from an init container" in pod.log("first")


@pytest.fixture
def mirror(registry_mirror: str) -> str:
    if not registry_mirror:
        pytest.skip("no registry mirror is known: E2E_MIRROR says which")
    return registry_mirror
