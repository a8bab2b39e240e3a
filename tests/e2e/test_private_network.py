"""Daemons in a company's network: a proxy, a private CA, files for the daemon, and credentials for registries."""

import json
from base64 import b64encode
from collections.abc import Iterator

import pytest
import workloads
from cluster.cluster import Cluster
from http_proxy import ANSWER, HttpProxy, http_proxy
from kube import Manifest, Namespace, Pod, until
from private_registry import PASSWORD, USER, PrivateRegistry, private_registry
from workloads import FOREVER, container

pytestmark = [pytest.mark.any_node, pytest.mark.node, pytest.mark.xdist_group("private-network")]


@pytest.fixture(scope="module")
def registry(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    with private_registry(node, tmp_path_factory.mktemp("registry"), 5443, with_password=False) as found:
        yield found


@pytest.fixture(scope="module")
def closed_registry(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    with private_registry(node, tmp_path_factory.mktemp("registry"), 5444, with_password=True) as found:
        yield found


@pytest.fixture(scope="module")
def proxy(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpProxy]:
    with http_proxy(node, tmp_path_factory.mktemp("proxy"), 3128) as found:
        yield found


def pull(registry: PrivateRegistry) -> str:
    return f"docker pull {registry.image}"


def build(registry: PrivateRegistry, tag: str = "built") -> str:
    dockerfile = f"FROM {registry.image}\\nRUN echo built\\n"
    return f"printf '{dockerfile}' | docker build --no-cache --tag={tag} -"


def credentials(name: str, registry: PrivateRegistry, password: str = PASSWORD) -> Manifest:
    """Return a Secret as `kubectl create secret docker-registry` makes it."""
    auth = b64encode(f"{USER}:{password}".encode()).decode()
    config = {"auths": {registry.name: {"username": USER, "password": password, "auth": auth}}}
    return {**secret(name, **{".dockerconfigjson": json.dumps(config)}), "type": "kubernetes.io/dockerconfigjson"}


def config_map(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def run(namespace: Namespace, registry: PrivateRegistry, **options: str) -> Pod:
    """Run a pod that resolves the name of the registry. Names of options have _ instead of -."""
    spelt = {name.replace("_", "-"): text for name, text in options.items()}
    return namespace.run(workloads.pod(FOREVER, options=spelt, hostAliases=registry.host_aliases)).ready()


def outcome(pod: Pod, script: str, container: str | None = None) -> str:
    """Return what a script prints, and "failed" if it fails."""
    return pod.exec(f"({script}) 2>&1 || echo failed", container)


def test_without_a_ca_the_registry_is_not_trusted(ci: Namespace, registry: PrivateRegistry) -> None:
    pod = run(ci, registry)
    assert "certificate signed by unknown authority" in outcome(pod, pull(registry))
    assert "certificate signed by unknown authority" in outcome(pod, build(registry))


def test_a_ca_of_a_config_map_is_trusted_by_pulls_pushes_and_builds(ci: Namespace, registry: PrivateRegistry) -> None:
    ci.make(config_map("company-ca", **{"ca.crt": registry.ca, "notes.txt": "no certificate"}))
    pod = run(ci, registry, ca="company-ca")
    pod.exec(pull(registry))
    pod.exec(f"docker tag {registry.image} {registry.name}/team/other:1 && docker push {registry.name}/team/other:1")
    pod.exec(build(registry))
    assert pod.exec("echo $SSL_CERT_DIR", "dind") == "/etc/ssl/certs:/etc/ssl/dind\n"


def test_a_ca_of_one_registry_is_trusted_for_that_one(ci: Namespace, registry: PrivateRegistry) -> None:
    ci.make(secret("registry-ca", **{"ca.crt": registry.ca}))
    pod = run(ci, registry, daemon_files=f"certs.d/{registry.name}/ca.crt=secret/registry-ca/ca.crt")
    pod.exec(pull(registry))
    pod.exec(build(registry))


def test_a_daemon_json_is_read_beside_our_flags(ci: Namespace, registry: PrivateRegistry) -> None:
    ci.make(config_map("docker", settings=json.dumps({"labels": ["from=a-config-map"], "max-concurrent-uploads": 1})))
    pod = run(ci, registry, daemon_files="daemon.json=configmap/docker/settings")
    assert "from=a-config-map" in pod.exec("docker info --format '{{.Labels}}'")


def test_a_daemon_json_that_repeats_a_flag_is_refused_by_name(ci: Namespace) -> None:
    ci.make(config_map("docker", settings=json.dumps({"group": "root"})))
    options = {"daemon-files": "daemon.json=configmap/docker/settings"}
    pod = ci.run(workloads.pod(FOREVER, options=options))
    pod.until(lambda: pod.status("dind").get("restartCount", 0) > 0, "restart its daemon")
    log = pod.kube.core.read_namespaced_pod_log(pod.name, pod.namespace, container="dind", previous=True)
    assert "specified both as a flag and in the configuration file: group" in log


def test_missing_objects_hold_no_pod_and_arrive_later(ci: Namespace, registry: PrivateRegistry) -> None:
    """A new CA in certs.d needs no restart, as soon as kubelet has read it, within about a minute."""
    files = f"daemon.json=secret/nothing/here,certs.d/{registry.name}/ca.crt=configmap/late/ca.crt"
    pod = run(ci, registry, daemon_files=files, ca="nothing")
    assert "unknown authority" in outcome(pod, pull(registry))
    ci.make(config_map("late", **{"ca.crt": registry.ca}))
    until("the CA to arrive", lambda: "failed" not in outcome(pod, pull(registry)), pod.describe, seconds=180)


@pytest.mark.parametrize("user", [0, 1000])
def test_a_secret_has_the_credentials_for_pulls_pushes_and_builds(
    user: int, ci: Namespace, closed_registry: PrivateRegistry
) -> None:
    ci.make(config_map("company-ca", **{"ca.crt": closed_registry.ca}))
    ci.make(credentials("registry", closed_registry))
    # buildx needs /tmp too.
    build_container = container(
        FOREVER,
        securityContext={"runAsUser": user, "readOnlyRootFilesystem": True},
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}],
    )
    plain = container(FOREVER, "plain", env=[{"name": "DOCKER_CONFIG", "value": "/"}])
    made = workloads.pod(
        build_container,
        plain,
        options={"ca": "company-ca", "registry-secret": "registry"},
        hostAliases=closed_registry.host_aliases,
        volumes=[{"name": "tmp", "emptyDir": {}}],
    )
    pod = ci.run(made).ready()
    # Without the credentials, the registry refuses.
    assert "no basic auth credentials" in outcome(pod, pull(closed_registry), "plain")
    pod.exec(pull(closed_registry), "build")
    built = f"{closed_registry.name}/team/built:{user}"
    pod.exec(f"{build(closed_registry, built)} && docker push {built}", "build")
    # The state of buildx is beside the socket, and the Secret stays as it is.
    assert pod.exec("ls $BUILDX_CONFIG", "build")
    login = f"docker login --username={USER} --password={PASSWORD}"
    pod.exec(f"{login} {closed_registry.name}", "build")
    assert "read-only file system" in outcome(pod, f"{login} {closed_registry.address}:{closed_registry.port}", "build")


def test_a_user_without_a_home_logs_in_for_one_container(ci: Namespace, closed_registry: PrivateRegistry) -> None:
    ci.make(config_map("company-ca", **{"ca.crt": closed_registry.ca}))
    clients = [container(FOREVER, name, securityContext={"runAsUser": 1000}) for name in ("build", "other")]
    aliases = closed_registry.host_aliases
    pod = ci.run(workloads.pod(*clients, options={"ca": "company-ca"}, hostAliases=aliases)).ready()
    pod.exec(f"docker login --username={USER} --password={PASSWORD} {closed_registry.name}", "build")
    pod.exec(pull(closed_registry), "build")
    assert "no basic auth credentials" in outcome(pod, pull(closed_registry), "other")
    # Not even through the daemon
    assert "dind-config" not in pod.exec("cat /proc/mounts", "dind")


def test_a_secret_that_is_missing_holds_no_pod_and_arrives_later(
    ci: Namespace, closed_registry: PrivateRegistry
) -> None:
    ci.make(config_map("company-ca", **{"ca.crt": closed_registry.ca}))
    pod = run(ci, closed_registry, ca="company-ca", registry_secret="registry")
    assert "no basic auth credentials" in outcome(pod, pull(closed_registry))
    ci.make(credentials("registry", closed_registry))
    until(
        "the Secret to arrive", lambda: "failed" not in outcome(pod, pull(closed_registry)), pod.describe, seconds=180
    )


def test_a_proxy_reaches_the_daemon_builds_and_containers(
    ci: Namespace, registry: PrivateRegistry, proxy: HttpProxy
) -> None:
    ci.make(config_map("company-ca", **{"ca.crt": registry.ca}))
    options = {"ca": "company-ca", "proxy": proxy.url, "no-proxy": ".direct.example"}
    # Without a host alias, only the proxy knows the name of the registry.
    pod = ci.run(workloads.pod(FOREVER, options=options)).ready()
    pod.exec(pull(registry))
    assert f"CONNECT {registry.name}" in proxy.requests
    dockerfile = f"FROM {registry.image}\\nRUN wget -qO- http://build.corp.example/\\n"
    assert ANSWER in pod.exec(f"printf '{dockerfile}' | docker build --no-cache --progress=plain - 2>&1")
    run_container = f"docker run --rm {registry.image}"
    assert ANSWER in pod.exec(f"{run_container} wget -qO- http://container.corp.example/")
    assert {"GET http://build.corp.example/", "GET http://container.corp.example/"} <= set(proxy.requests)
    api_server = pod.exec("echo $KUBERNETES_SERVICE_HOST").strip()
    direct = f"localhost,127.0.0.1,127.0.0.0/8,::1,.svc,.cluster.local,{api_server},.direct.example"
    assert f"NO_PROXY={direct}\n" in pod.exec(f"{run_container} env")
    # The pod's own containers have none, unless the operator wants that.
    assert "_PROXY" not in pod.exec("env").upper()


@pytest.mark.parametrize("user", [0, 1000])
def test_behind_a_proxy_any_user_can_log_in(
    user: int, ci: Namespace, closed_registry: PrivateRegistry, proxy: HttpProxy
) -> None:
    ci.make(config_map("company-ca", **{"ca.crt": closed_registry.ca}))
    made = workloads.pod(
        container(FOREVER, securityContext={"runAsUser": user, "readOnlyRootFilesystem": True}),
        options={"ca": "company-ca", "proxy": proxy.url},
    )
    pod = ci.run(made).ready()
    assert "no basic auth credentials" in outcome(pod, pull(closed_registry))
    pod.exec(f"docker login --username={USER} --password={PASSWORD} {closed_registry.name}")
    pod.exec(pull(closed_registry))
    # The proxy is still in the file.
    assert ANSWER in pod.exec(f"docker run --rm {closed_registry.image} wget -qO- http://login-{user}.corp.example/")
    assert f"GET http://login-{user}.corp.example/" in proxy.requests


def test_behind_a_proxy_the_secret_has_the_proxy_too(
    ci: Namespace, closed_registry: PrivateRegistry, proxy: HttpProxy
) -> None:
    ci.make(config_map("company-ca", **{"ca.crt": closed_registry.ca}))
    made = credentials("registry", closed_registry)
    config = json.loads(made["stringData"][".dockerconfigjson"])
    config["proxies"] = {"default": {"httpProxy": proxy.url}}
    made["stringData"][".dockerconfigjson"] = json.dumps(config)
    ci.make(made)
    options = {"ca": "company-ca", "proxy": proxy.url, "registry-secret": "registry"}
    pod = ci.run(workloads.pod(FOREVER, options=options)).ready()
    pod.exec(pull(closed_registry))
    assert ANSWER in pod.exec(f"docker run --rm {closed_registry.image} wget -qO- http://secret.corp.example/")
