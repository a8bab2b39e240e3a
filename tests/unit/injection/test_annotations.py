"""The table of options: their effects on a pod, the values they refuse, and the operator's permission."""

import json
import re
from typing import Any

import jsonpointer
import pytest
from pods import a_container, a_pod, injected_pod, mount_paths_of, names_of, operator_policy, permissive_policy

from dind_webhook.injection import OPTIONS, Mode, Option, Policy, Reason, apply_defaults, built_in_options, inject
from dind_webhook.injection.message_parts import quote
from dind_webhook.injection.options import Isolation, NodeSocketTreatment, Placement, StorageMedium, TcpAddress

_OPEN = permissive_policy(allowed_images=("registry.example/ci/*", "docker:*"), allow_public_tcp=True)
_DAEMON = "/spec/initContainers/0"
_BUILD = "/spec/containers/0"
_STORAGE = "/spec/volumes/1"
_BY_NAME = {option.name: option for option in OPTIONS}
_EACH_OPTION = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)


def _argv(*more: str, group: str = "--group=2375", first: tuple[str, ...] = ()) -> list[str]:
    hosts = ["--host=unix:///run/dind/docker.sock", "--host=unix:///var/run/docker.sock"]
    return ["dockerd", *hosts, *first, *([group] if group else []), *more]


def test_the_table_is_that_of_the_contract() -> None:
    always = (
        "containers placement cpu-request cpu-limit memory-request memory-limit storage-size wait share-volumes mtu"
    )
    consent = (
        "image dockerd-args env tcp insecure-registries address-pools socket-dir storage-medium storage-class "
        "storage-data-source daemon-files proxy no-proxy metrics-port"
    )
    assert {option.name for option in OPTIONS if option.allowed_by_default} == {
        *always.split(),
        "registry-mirrors",
        "group",
        "isolation",
        "client",
        "ca",
        "registry-secret",
        "ephemeral-storage-request",
        "ephemeral-storage-limit",
    }
    assert {option.name for option in OPTIONS if not option.allowed_by_default} == {*consent.split(), "node-socket"}


@_EACH_OPTION
def test_a_row_is_complete_and_its_default_and_example_are_accepted(option: Option) -> None:
    assert option.key == f"dind.io/{option.name}"
    assert option.accepts
    assert re.fullmatch(r"[A-Z].+\.", option.help)
    assert option.modes
    assert option.default or not option.required
    assert option.read(option.default) == getattr(built_in_options(), option.field)
    assert option.parse(option.example) not in (None, (), built_in_options())


def test_the_defaults_are_those_of_the_contract() -> None:
    options = built_in_options()
    assert {option.name: getattr(options, option.field) for option in OPTIONS} == {
        "containers": (),
        "placement": Placement.NATIVE,
        "isolation": Isolation.NONE,
        "share-volumes": True,
        "wait": True,
        "node-socket": NodeSocketTreatment.DENY,
        "client": None,
        "cpu-request": "250m",
        "cpu-limit": "2",
        "memory-request": "512Mi",
        "memory-limit": "4Gi",
        "ephemeral-storage-request": "2Gi",
        "ephemeral-storage-limit": None,
        "storage-size": "20Gi",
        "storage-medium": StorageMedium.DISK,
        "storage-class": None,
        "storage-data-source": None,
        "group": 2375,
        "mtu": None,
        "registry-mirrors": (),
        "insecure-registries": (),
        "address-pools": (),
        "ca": None,
        "daemon-files": (),
        "registry-secret": None,
        "proxy": None,
        "no-proxy": (),
        "image": "docker:29.8.2-dind",
        "socket-dir": "/run/dind",
        "tcp": None,
        "metrics-port": None,
        "env": (),
        "dockerd-args": (),
    }


@pytest.mark.parametrize(
    ("option", "text", "place", "expected"),
    [
        ("placement", "native", f"{_DAEMON}/restartPolicy", "Always"),
        ("placement", "container", "/spec/containers/1/name", "dind"),
        ("cpu-request", "500m", f"{_DAEMON}/resources/requests/cpu", "500m"),
        ("cpu-limit", "4", f"{_DAEMON}/resources/limits/cpu", "4"),
        ("memory-request", "1Gi", f"{_DAEMON}/resources/requests/memory", "1Gi"),
        ("memory-limit", "8Gi", f"{_DAEMON}/resources/limits/memory", "8Gi"),
        ("cpu-limit", "none", f"{_DAEMON}/resources/limits", {"memory": "4Gi"}),
        ("memory-limit", "none", f"{_DAEMON}/resources/limits", {"cpu": "2"}),
        ("ephemeral-storage-request", "5Gi", f"{_DAEMON}/resources/requests/ephemeral-storage", "5Gi"),
        ("ephemeral-storage-limit", "60Gi", f"{_DAEMON}/resources/limits/ephemeral-storage", "60Gi"),
        ("storage-size", "50Gi", f"{_STORAGE}/emptyDir", {"sizeLimit": "50Gi"}),
        ("storage-medium", "Disk", f"{_STORAGE}/emptyDir", {"sizeLimit": "20Gi"}),
        ("storage-medium", "Memory", f"{_STORAGE}/emptyDir", {"medium": "Memory", "sizeLimit": "20Gi"}),
        (
            "storage-medium",
            "Volume",
            f"{_STORAGE}/ephemeral/volumeClaimTemplate/spec",
            {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}},
        ),
        (
            "storage-class",
            "fast-ssd",
            f"{_STORAGE}/ephemeral/volumeClaimTemplate/spec",
            {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "20Gi"}},
                "storageClassName": "fast-ssd",
            },
        ),
        (
            "storage-data-source",
            "pvc/golden.a",
            f"{_STORAGE}/ephemeral/volumeClaimTemplate/spec",
            {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "20Gi"}},
                "dataSource": {"kind": "PersistentVolumeClaim", "name": "golden.a"},
            },
        ),
        (
            "storage-data-source",
            "volumesnapshot/golden",
            f"{_STORAGE}/ephemeral/volumeClaimTemplate/spec/dataSource",
            {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "golden"},
        ),
        ("ca", "company-ca", "/spec/volumes/2/configMap", {"name": "company-ca", "optional": True}),
        ("ca", "c", f"{_DAEMON}/volumeMounts/2", {"name": "dind-ca", "mountPath": "/etc/ssl/dind", "readOnly": True}),
        ("ca", "c", f"{_DAEMON}/env", [{"name": "SSL_CERT_DIR", "value": "/etc/ssl/certs:/etc/ssl/dind"}]),
        (
            "daemon-files",
            "daemon.json=configmap/a/b , certs.d/[fd00::1]:5000/ca.crt=secret/c.d/_.e",
            "/spec/volumes/2/projected/sources",
            [
                {"configMap": {"name": "a", "optional": True, "items": [{"key": "b", "path": "daemon.json"}]}},
                {
                    "secret": {
                        "name": "c.d",
                        "optional": True,
                        "items": [{"key": "_.e", "path": "certs.d/[fd00::1]:5000/ca.crt"}],
                    }
                },
            ],
        ),
        (
            "daemon-files",
            "daemon.json=configmap/a/b",
            f"{_DAEMON}/volumeMounts/2",
            {"name": "dind-files", "mountPath": "/etc/docker", "readOnly": True},
        ),
        (
            "proxy",
            "https://[fd00::1]:3128/",
            f"{_DAEMON}/env/1",
            {"name": "HTTPS_PROXY", "value": "https://[fd00::1]:3128/"},
        ),
        ("group", "1001", f"{_DAEMON}/args", _argv(group="--group=1001")),
        ("group", "1001", "/spec/securityContext/supplementalGroups", [1001]),
        ("group", "0", f"{_DAEMON}/args", _argv(group="--group=0")),
        (
            "mtu",
            "1450",
            f"{_DAEMON}/args",
            _argv("--mtu=1450", "--default-network-opt=bridge=com.docker.network.driver.mtu=1450"),
        ),
        (
            "registry-mirrors",
            "ghcr.io=http://g , http://b:5000/,*=none",
            f"{_DAEMON}/args",
            _argv("--registry-mirror=http://b:5000/"),
        ),
        (
            "insecure-registries",
            "registry.ci:5000,10.0.0.0/8, [::1]:5000",
            f"{_DAEMON}/args",
            _argv(
                "--insecure-registry=registry.ci:5000",
                "--insecure-registry=10.0.0.0/8",
                "--insecure-registry=[::1]:5000",
                "--insecure-registry=127.0.0.0/8",
                "--insecure-registry=::1/128",
            ),
        ),
        (
            "address-pools",
            "10.200.0.0/16:24,fd00::/48:64",
            f"{_DAEMON}/args",
            _argv(
                "--default-address-pool=base=10.200.0.0/16,size=24",
                "--default-address-pool=base=fd00::/48,size=64",
            ),
        ),
        ("image", "registry.example/ci/docker:29-dind", f"{_DAEMON}/image", "registry.example/ci/docker:29-dind"),
        ("socket-dir", "/sock", f"{_BUILD}/env/0", {"name": "DOCKER_HOST", "value": "unix:///sock/docker.sock"}),
        ("socket-dir", "/sock", f"{_BUILD}/volumeMounts/0", {"name": "dind-run", "mountPath": "/sock"}),
        ("socket-dir", "/sock", f"{_DAEMON}/volumeMounts/0", {"name": "dind-run", "mountPath": "/sock"}),
        ("socket-dir", "/sock", f"{_DAEMON}/args/1", "--host=unix:///sock/docker.sock"),
        ("socket-dir", "/sock", f"{_DAEMON}/args/2", "--host=unix:///var/run/docker.sock"),
        ("tcp", "127.0.0.1:2375", f"{_DAEMON}/args", _argv(first=("--host=tcp://127.0.0.1:2375", "--tls=false"))),
        ("tcp", "localhost:2375", f"{_DAEMON}/args", _argv(first=("--host=tcp://localhost:2375", "--tls=false"))),
        ("tcp", "[::1]:2375", f"{_DAEMON}/args", _argv(first=("--host=tcp://[::1]:2375", "--tls=false"))),
        ("metrics-port", "9323", f"{_DAEMON}/args", _argv("--metrics-addr=0.0.0.0:9323")),
        (
            "metrics-port",
            "9323",
            f"{_DAEMON}/ports",
            [{"name": "dind-metrics", "containerPort": 9323, "protocol": "TCP"}],
        ),
        ("tcp", "0.0.0.0:80", f"{_DAEMON}/args", _argv(first=("--host=tcp://0.0.0.0:80", "--tls=false"))),
        (
            "env",
            '{"HTTPS_PROXY": "http://proxy:3128", "EMPTY": ""}',
            f"{_DAEMON}/env",
            [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}, {"name": "EMPTY", "value": ""}],
        ),
        (
            "dockerd-args",
            '["--log-level=debug", "--experimental", "--label=a=b c"]',
            f"{_DAEMON}/args",
            _argv("--log-level=debug", "--experimental", "--label=a=b c"),
        ),
    ],
)
def test_an_option_has_its_effect(option: str, text: str, place: str, expected: Any) -> None:
    assert jsonpointer.resolve_pointer(injected_pod(a_pod(options={option: text}), _OPEN), place) == expected


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("text", "expected"), [("build", ["build"]), ("test, build", ["build", "test"]), ("setup", ["setup"])]
)
def test_containers_says_who_gets_docker(mode: Mode, text: str, expected: list[str]) -> None:
    pod = a_pod(
        mode,
        {"containers": text},
        containers=[a_container("build"), a_container("test")],
        initContainers=[a_container("setup")],
    )
    spec = injected_pod(pod, _OPEN)["spec"]
    users = [c for c in (*spec["containers"], *spec["initContainers"]) if not c["name"].startswith("dind")]
    assert [user["name"] for user in users if "/run/dind" in mount_paths_of(user)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", ["/a", "/b"]), ("false", []), ("b", ["/b"]), (" b , a ", ["/a", "/b"])],
)
def test_share_volumes_says_what_the_daemon_sees(text: str, expected: list[str]) -> None:
    mounts = [{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/b"}]
    pod = a_pod(
        options={"share-volumes": text},
        containers=[a_container(volumeMounts=mounts)],
        volumes=[{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}],
    )
    daemon = injected_pod(pod, _OPEN)["spec"]["initContainers"][0]
    assert mount_paths_of(daemon) == ["/run/dind", "/var/lib/docker", *expected]


@pytest.mark.parametrize(("text", "expected"), [("true", ["dind-wait"]), ("false", [])])
def test_wait_says_whether_a_container_waits(text: str, expected: list[str]) -> None:
    spec = injected_pod(a_pod("daemonset", {"wait": text}), _OPEN)["spec"]
    assert names_of(spec.get("initContainers", [])) == expected


def test_the_socket_directory_holds_in_daemonset_mode_too() -> None:
    spec = injected_pod(a_pod("daemonset", {"socket-dir": "/sock"}), _OPEN)["spec"]
    assert mount_paths_of(spec["containers"][0]) == ["/sock"]
    assert spec["containers"][0]["env"] == [{"name": "DOCKER_HOST", "value": "unix:///sock/docker.sock"}]


_NO_QUANTITY = "is not a quantity such as 500m, 2 or 1.5Gi"
_NO_BYTES = "must be a whole number of bytes, more than 0, such as 512Mi"
_NO_PATH = "must be an absolute path of plain names"
_NO_REGISTRY_NAME = "has an item that does not begin with a registry"
_NO_URL = "has an item that is not an http(s) URL of a registry"
_NO_REGISTRY = "has an item that is neither HOST[:PORT] nor a CIDR"
_NO_POOL = "has an item that is not CIDR:SIZE, such as 10.200.0.0/16:24"
_NO_FILE = "has an item that is neither PATH=configmap/NAME/KEY nor PATH=secret/NAME/KEY"
_NO_FILE_PATH = "has a path that is not below /etc/docker, such as certs.d/registry:5000/ca.crt"
_NO_PROXY_URL = "is not the URL of a proxy, such as http://proxy.corp.example:3128"
_NO_HOST = "has an item that is not a name, domain, address or CIDR"
_NO_ADDRESS = "must be ADDRESS:PORT, such as 127.0.0.1:2375"
_NO_ENV = 'must be a JSON object of strings, such as {"HTTPS_PROXY": "http://proxy:3128"}'
_NO_ARGS = 'must be a JSON array of strings, such as ["--log-level=debug"]'
_EMPTY_ITEM = "has an empty item; items are separated by single commas"
_HIDES = "would hide files that the daemon or the container needs"

_INVALID = [
    ("containers", "build,", _EMPTY_ITEM),
    ("containers", ",", _EMPTY_ITEM),
    ("containers", "Build", 'has an item that is not the name of a container or volume: "Build"'),
    ("containers", "build test", "has an item that is not the name of a container or volume"),
    ("placement", "sidecar", 'must be "native" or "container"'),
    ("placement", "Native", 'must be "native" or "container"'),
    ("share-volumes", "True", "has an item that is not the name of a container or volume"),
    ("share-volumes", "a,,b", _EMPTY_ITEM),
    ("wait", "yes", 'must be "true" or "false"'),
    ("wait", "True", 'must be "true" or "false"'),
    ("wait", " true", 'must be "true" or "false"'),
    ("node-socket", "keep", 'must be "deny" or "replace"'),
    ("client", "yes", "must be true, false or an absolute path"),
    ("client", "True", "must be true, false or an absolute path"),
    ("client", "bin", "must be true, false or an absolute path"),
    (
        "client",
        "/opt/docker/",
        "must be true, false or an absolute path of plain names (A-Z a-z 0-9 . _ -) without a closing slash",
    ),
    ("client", "/tmp", "would hide all that images have in /tmp; a directory in it, such as /tmp/docker, does not"),
    ("client", "/opt", "would hide all that images have in /opt"),
    ("client", "/home", "would hide all that images have in /home"),
    ("client", "/root", "would hide all that images have in /root"),
    ("client", "/srv", "would hide all that images have in /srv"),
    ("client", "/usr/share", "would hide all that images have in /usr/share; a directory in it, such as"),
    ("client", "/usr/local/share", "would hide all that images have in /usr/local/share"),
    ("client", "/opt/../usr/bin", "must be true, false or an absolute path"),
    ("client", "/usr/local/bin", "would hide files"),
    ("client", "/usr/local", "would hide files"),
    ("client", "/usr/local/sbin/docker", "would hide files"),
    ("client", "/bin", "would hide files"),
    ("client", "/var/run", "would hide files"),
    ("client", "/run/dind", "would hide files"),
    ("cpu-request", "0", "must be more than 0"),
    ("cpu-request", "-1", "must be more than 0"),
    ("cpu-request", "1 cpu", _NO_QUANTITY),
    ("cpu-limit", "two", _NO_QUANTITY),
    ("cpu-limit", "2\n", _NO_QUANTITY),
    ("cpu-limit", "10E", "is larger than a quantity can be"),
    ("memory-request", "512MB", _NO_QUANTITY),
    ("memory-request", "500m", _NO_BYTES),
    ("memory-request", "0", _NO_BYTES),
    ("memory-limit", "1.5", _NO_BYTES),
    ("memory-limit", "-1Gi", _NO_BYTES),
    ("memory-limit", "None", _NO_QUANTITY),
    ("ephemeral-storage-request", "none", _NO_QUANTITY),
    ("ephemeral-storage-request", "0", _NO_BYTES),
    ("ephemeral-storage-limit", "-1Gi", _NO_BYTES),
    ("storage-size", "0Gi", _NO_BYTES),
    ("storage-size", "big", _NO_QUANTITY),
    ("storage-medium", "memory", 'must be "Disk" or "Memory" or "Volume"'),
    ("storage-medium", "SSD", 'must be "Disk" or "Memory" or "Volume"'),
    ("storage-class", "Fast", "is not the name of a StorageClass"),
    ("storage-data-source", "golden", "must be pvc/NAME or volumesnapshot/NAME, of the pod's own namespace"),
    ("storage-data-source", "other/pvc/golden", "must be pvc/NAME or volumesnapshot/NAME, of the pod's own namespace"),
    ("storage-data-source", "volumesnapshot/a/b", "does not end with the name of a VolumeSnapshot"),
    ("storage-data-source", "pvc/", "does not end with the name of a PersistentVolumeClaim"),
    ("storage-class", "fast ssd", "is not the name of a StorageClass"),
    ("group", "docker", "must be a whole number from 0 to 2147483647"),
    ("group", "-1", "must be a whole number from 0 to 2147483647"),
    ("group", "2147483648", "must be a whole number from 0 to 2147483647"),
    ("group", "1.0", "must be a whole number from 0 to 2147483647"),
    ("group", "٣", "must be a whole number from 0 to 2147483647"),
    ("mtu", "67", "must be a whole number from 68 to 65535"),
    ("mtu", "65536", "must be a whole number from 68 to 65535"),
    ("mtu", "1450 ", "must be a whole number from 68 to 65535"),
    ("registry-mirrors", "mirror.example", _NO_URL),
    ("registry-mirrors", "ftp://mirror.example", _NO_URL),
    ("registry-mirrors", "https://", _NO_URL),
    ("registry-mirrors", "https://mirror.example:99999", _NO_URL),
    ("registry-mirrors", "https://mirror.example:0", _NO_URL),
    ("registry-mirrors", "https://[::1", _NO_URL),
    ("registry-mirrors", "https://[1]", _NO_URL),
    ("registry-mirrors", "https://[:::::]:5000", _NO_URL),
    ("registry-mirrors", "[1]:5000=https://mirror.example", _NO_REGISTRY_NAME),
    ("registry-mirrors", "https://user:pw@mirror.example", _NO_URL),
    ("registry-mirrors", "https://:pw@mirror.example", _NO_URL),
    ("registry-mirrors", "https://@mirror.example", _NO_URL),
    ("registry-mirrors", "https://mirror.example?x=1", _NO_URL),
    ("registry-mirrors", "https://mirror.example#x", _NO_URL),
    ("registry-mirrors", "https://mirror example", _NO_URL),
    ("registry-mirrors", "ghcr.io=mirror.example", _NO_URL),
    ("registry-mirrors", "ghcr.io=node", _NO_URL),
    ("registry-mirrors", "ghcr.io=", _NO_URL),
    ("registry-mirrors", "hub=https://mirror.example", _NO_REGISTRY_NAME),
    ("registry-mirrors", "*.example=https://mirror.example", _NO_REGISTRY_NAME),
    ("registry-mirrors", "index.docker.io=https://mirror.example", _NO_REGISTRY_NAME),
    ("registry-mirrors", "https://a.example,DOCKER.io=none", "has two mirrors of"),
    ("registry-mirrors", "*=http://a,*=http://b", "has two mirrors of"),
    ("registry-mirrors", "https://a.example,", _EMPTY_ITEM),
    ("insecure-registries", "http://registry.ci", _NO_REGISTRY),
    ("insecure-registries", "registry.ci:0", _NO_REGISTRY),
    ("insecure-registries", "registry.ci:65536", _NO_REGISTRY),
    ("insecure-registries", "registry.ci:", _NO_REGISTRY),
    ("insecure-registries", "registry.ci/x", _NO_REGISTRY),
    ("insecure-registries", "10.0.0.0/33", _NO_REGISTRY),
    ("insecure-registries", "10.0.0.0/255.0.0.0", _NO_REGISTRY),
    ("insecure-registries", "-x", _NO_REGISTRY),
    ("insecure-registries", "a,,b", _EMPTY_ITEM),
    ("address-pools", "10.200.0.0/16", _NO_POOL),
    ("address-pools", "10.200.0.0:24", _NO_POOL),
    ("address-pools", "10.200.0.0/16:x", _NO_POOL),
    ("address-pools", "10.200.0.1/16:24", _NO_POOL),
    ("address-pools", "10.0.0.0/255.0.0.0:24", _NO_POOL),
    ("address-pools", "10.200.0.0/16:15", "has a pool whose networks do not fit into its base"),
    ("address-pools", "10.200.0.0/16:33", "has a pool whose networks do not fit into its base"),
    ("ca", "a_b", "is not the name of a ConfigMap"),
    ("ca", "a/b", "is not the name of a ConfigMap"),
    ("registry-secret", "a_b", "is not the name of a Secret"),
    ("daemon-files", "a", _NO_FILE),
    ("daemon-files", "a=b/c/d", _NO_FILE),
    ("daemon-files", "a=configMap/c/d", _NO_FILE),
    ("daemon-files", "a=secret/b/c,", _EMPTY_ITEM),
    ("daemon-files", "=secret/b/c", _NO_FILE_PATH),
    ("daemon-files", "/a=secret/b/c", _NO_FILE_PATH),
    ("daemon-files", "../a=secret/b/c", _NO_FILE_PATH),
    ("daemon-files", "a/../b=secret/b/c", _NO_FILE_PATH),
    ("daemon-files", "..data=secret/b/c", _NO_FILE_PATH),
    ("daemon-files", "a//b=secret/b/c", _NO_FILE_PATH),
    ("daemon-files", "a/=secret/b/c", _NO_FILE_PATH),
    ("daemon-files", f"{'a' * 513}=secret/b/c", _NO_FILE_PATH),
    ("daemon-files", "a=secret", "has an item without the name of a ConfigMap or Secret"),
    ("daemon-files", "a=secret/B/c", "has an item without the name of a ConfigMap or Secret"),
    ("daemon-files", "a=secret/b", "has an item without a key of a ConfigMap or Secret"),
    ("daemon-files", "a=secret/b/c/d", "has an item without a key of a ConfigMap or Secret"),
    ("daemon-files", "a=secret/b/..", "has an item without a key of a ConfigMap or Secret"),
    ("daemon-files", "a=secret/b/.", "has an item without a key of a ConfigMap or Secret"),
    ("daemon-files", f"a=secret/b/{'c' * 254}", "has an item without a key of a ConfigMap or Secret"),
    ("daemon-files", "b=secret/b/c,a=secret/b/c,b=secret/b/d", 'has "b" twice'),
    ("daemon-files", "b/c=secret/b/c,b-d=secret/b/c,b=secret/b/d", 'has "b" both as a file and above "b/c"'),
    ("proxy", "proxy:3128", _NO_PROXY_URL),
    ("proxy", "socks5://proxy:1080", _NO_PROXY_URL),
    ("proxy", "http://proxy:0", _NO_PROXY_URL),
    ("proxy", "http://proxy/path", _NO_PROXY_URL),
    ("proxy", "http://a,http://b", _NO_PROXY_URL),
    ("proxy", "http://$(HOST)", _NO_PROXY_URL),
    ("proxy", "http://ci:secret@proxy:3128", "has a name or password, which everybody who may read the pod would see"),
    ("proxy", "ci:sec/ret@proxy", "has a name or password, which everybody who may read the pod would see"),
    ("no-proxy", "a,,b", _EMPTY_ITEM),
    ("no-proxy", "*.corp.example", _NO_HOST),
    ("no-proxy", "http://a", _NO_HOST),
    ("no-proxy", "10.0.0.1/8", _NO_HOST),
    ("no-proxy", "fe80::1%eth0", _NO_HOST),
    ("no-proxy", "a b", _NO_HOST),
    ("image", "docker", "has neither a tag nor a digest"),
    ("image", "Docker:29", "is not an image reference such as"),
    ("image", "docker:29 dind", "is not an image reference such as"),
    ("socket-dir", "/run/dind/", f"{_NO_PATH} (A-Z a-z 0-9 . _ -) without a closing slash, at most 95 characters"),
    ("socket-dir", "run/dind", _NO_PATH),
    ("socket-dir", "/", _NO_PATH),
    ("socket-dir", "/run/dind/", _NO_PATH),
    ("socket-dir", "/run//dind", _NO_PATH),
    ("socket-dir", "/run/../etc", _NO_PATH),
    ("socket-dir", "/run/$(id)", _NO_PATH),
    ("socket-dir", "/run/a b", _NO_PATH),
    ("socket-dir", "/run/a;b", _NO_PATH),
    ("socket-dir", "/" + "x" * 95, _NO_PATH),
    ("socket-dir", "/run/dind/docker.sock", "must be the directory of the socket, not the socket"),
    ("socket-dir", "/run/docker/x", _HIDES),
    ("socket-dir", "/var/run/containerd", _HIDES),
    ("socket-dir", "/usr", _HIDES),
    ("socket-dir", "/var", _HIDES),
    ("socket-dir", "/var/lib/docker/run", _HIDES),
    ("socket-dir", "/dev", _HIDES),
    ("metrics-port", "0", "must be a whole number from 1 to 65535"),
    ("metrics-port", "65536", "must be a whole number from 1 to 65535"),
    ("metrics-port", "127.0.0.1:9323", "must be a whole number from 1 to 65535"),
    ("tcp", "2375", _NO_ADDRESS),
    ("tcp", "127.0.0.1", _NO_ADDRESS),
    ("tcp", ":2375", _NO_ADDRESS),
    ("tcp", "127.0.0.1:0", _NO_ADDRESS),
    ("tcp", "127.0.0.1:65536", _NO_ADDRESS),
    ("tcp", "127.0.0.1:x", _NO_ADDRESS),
    ("tcp", "127.1:2375", _NO_ADDRESS),
    ("tcp", "daemon:2375", _NO_ADDRESS),
    ("tcp", "tcp://127.0.0.1:2375", _NO_ADDRESS),
    ("tcp", "[::1:2375", _NO_ADDRESS),
    ("isolation", "vm", 'must be "none" or "userns" or "auto" or "sysbox" or "kata" or "gvisor"'),
    ("env", "A=b", "is not JSON"),
    ("env", '["A"]', _NO_ENV),
    ("env", '{"A": 1}', _NO_ENV),
    ("env", '{"A": "\\u0000"}', 'has a value with a NUL character: "A"'),
    ("env", '{"": "x"}', "has a name that no environment variable can have"),
    ("env", '{"A=B": "x"}', "has a name that no environment variable can have"),
    ("env", '{"Ä": "x"}', "has a name that no environment variable can have"),
    ("env", '{"DOCKER_HOST": "tcp://x"}', "sets DOCKER_HOST, which points the daemon's own client away"),
    ("dockerd-args", "--debug", "is not JSON"),
    ("dockerd-args", '"--debug"', _NO_ARGS),
    ("dockerd-args", '["--debug", 1]', _NO_ARGS),
    ("dockerd-args", '["--help"]', "has --help, which makes dockerd exit at once"),
    ("dockerd-args", '["--version=true"]', "has --version, which makes dockerd exit at once"),
    ("dockerd-args", '["-D"]', "has an item that is not of the form --flag or --flag=value"),
    ("dockerd-args", '["-H=tcp://0.0.0.0:1"]', "has an item that is not of the form --flag or --flag=value"),
    ("dockerd-args", '["--", "x"]', "has an item that is not of the form --flag or --flag=value"),
    ("dockerd-args", '["debug"]', "has an item that is not of the form --flag or --flag=value"),
    ("dockerd-args", '["--log-level", "debug"]', "has an item that is not of the form --flag or --flag=value"),
]


@pytest.mark.parametrize(("option", "text", "says"), _INVALID)
def test_an_invalid_value_is_denied_with_key_value_and_what_is_accepted(option: str, text: str, says: str) -> None:
    decision = inject(a_pod(options={option: text}), None, _OPEN)
    assert decision.reason is Reason.INVALID_OPTION
    assert decision.message.startswith(f"annotation dind.io/{option}: {quote(text)} {says}")


def test_every_option_has_invalid_values() -> None:
    assert {option for option, _, _ in _INVALID} == set(_BY_NAME)


@pytest.mark.parametrize("name", ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"])
def test_variables_that_lead_the_client_astray_are_refused(name: str) -> None:
    decision = inject(a_pod(options={"env": f'{{"{name}": "x"}}'}), None, _OPEN)
    assert f"sets {name}" in decision.message


@pytest.mark.parametrize(
    ("flag", "instead"),
    [
        ("host", "dind.io/tcp"),
        ("group", "dind.io/group"),
        ("mtu", "dind.io/mtu"),
        ("default-network-opt", "dind.io/mtu"),
        ("registry-mirror", "dind.io/registry-mirrors"),
        ("insecure-registry", "dind.io/insecure-registries"),
        ("default-address-pool", "dind.io/address-pools"),
        ("tls", None),
        ("tlsverify", None),
        ("tlscacert", None),
        ("tlscert", None),
        ("tlskey", None),
        ("data-root", None),
        ("exec-root", None),
        ("pidfile", None),
        ("config-file", "dind.io/daemon-files"),
    ],
)
def test_flags_that_injection_owns_are_refused_with_the_option_to_use(flag: str, instead: str | None) -> None:
    for argument in (f"--{flag}", f"--{flag}=x"):
        decision = inject(a_pod(options={"dockerd-args": f'["{argument}"]'}), None, _OPEN)
        assert decision.reason is Reason.INVALID_OPTION
        sets = f"sets --{flag}, which is reserved for injection"
        assert decision.message.endswith(f"{sets}; use {instead}" if instead else sets)


@pytest.mark.parametrize("value", [2**70, [[[]]] * 1000], ids=["large", "long"])
def test_an_odd_value_is_denied_with_a_short_message(value: Any, policy: Policy) -> None:
    decision = inject(a_pod(options={"mtu": value}), None, policy)
    assert decision.reason is Reason.MALFORMED_POD
    assert len(decision.message) < 200


def test_a_deeply_nested_value_is_denied(policy: Policy) -> None:
    nested: Any = "1450"
    for _ in range(500):
        nested = [nested]
    assert inject(a_pod(options={"mtu": nested}), None, policy).reason is Reason.MALFORMED_POD


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_value_is_denied_with_the_remedy(value: str | None, policy: Policy) -> None:
    decision = inject(a_pod(options={"mtu": value}), None, policy)
    assert decision.message == 'annotation dind.io/mtu: "" is empty; remove it to use the default'


@_EACH_OPTION
def test_each_option_has_a_longest_text(option: Option) -> None:
    decision = inject(a_pod(options={option.name: "x" * (option.max_length + 1)}), None, permissive_policy())
    assert decision.reason is Reason.INVALID_OPTION
    count = f"has {option.max_length + 1} characters; at most {option.max_length} are accepted"
    assert decision.message.endswith(count)


def _items(option: Option, count: int) -> str:
    values = {"env": {f"A{number}": "" for number in range(count)}, "dockerd-args": ["--debug"] * count}
    if option.name in values:
        return json.dumps(values[option.name])
    item = {
        "registry-mirrors": "m{}.example=https://m",
        "insecure-registries": "r{}:5000",
        "address-pools": "10.{}.0.0/16:24",
        "daemon-files": "f{}=secret/a/b",
    }.get(option.name, "n{}")
    return ",".join(item.format(number) for number in range(count))


@pytest.mark.parametrize("option", [one for one in OPTIONS if one.max_items], ids=lambda option: option.name)
def test_each_list_has_a_largest_number_of_items(option: Option) -> None:
    most = option.max_items
    assert len(option.read(_items(option, most))) == most
    decision = inject(a_pod(options={option.name: _items(option, most + 1)}), None, permissive_policy())
    assert decision.reason is Reason.INVALID_OPTION
    assert decision.message.endswith(f"has {most + 1} items; at most {most} are accepted")


def test_an_option_whose_value_is_a_list_has_a_largest_number_of_items() -> None:
    lists = {option.name for option in OPTIONS if isinstance(option.read(option.example), tuple)}
    lists -= {"tcp", "storage-data-source"}
    assert {option.name for option in OPTIONS if option.max_items} == lists


def test_all_invalid_values_are_named_at_once(policy: Policy) -> None:
    message = inject(a_pod(options={"mtu": "x", "group": "y"}), None, policy).message
    assert 'annotation dind.io/mtu: "x" must be' in message
    assert '; annotation dind.io/group: "y" must be' in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"cpu-limit": "100m"},
            (
                "dind.io/cpu-request is 250m, more than dind.io/cpu-limit, which is 100m; "
                "lower the request or set a limit of 250m or more"
            ),
        ),
        (
            {"memory-request": "2Gi", "memory-limit": "1Gi"},
            (
                "dind.io/memory-request is 2Gi, more than dind.io/memory-limit, which is 1Gi; "
                "lower the request or set a limit of 2Gi or more"
            ),
        ),
        (
            {"storage-class": "fast", "storage-medium": "Memory"},
            "dind.io/storage-class cannot be combined with dind.io/storage-medium Memory; remove one",
        ),
        (
            {"storage-data-source": "pvc/golden", "storage-medium": "Memory"},
            "dind.io/storage-data-source cannot be combined with dind.io/storage-medium Memory; remove one",
        ),
    ],
)
def test_values_that_contradict_each_other_are_denied(options: dict[str, str], says: str) -> None:
    decision = inject(a_pod(options=options), None, _OPEN)
    assert (decision.reason, decision.message) == (Reason.INVALID_OPTION, says)


@pytest.mark.parametrize(
    ("defaults", "options", "source"),
    [
        ({"storage-class": "fast"}, {"storage-medium": "Disk"}, {"emptyDir": {"sizeLimit": "20Gi"}}),
        (
            {"storage-class": "fast"},
            {"storage-medium": "Memory"},
            {"emptyDir": {"medium": "Memory", "sizeLimit": "20Gi"}},
        ),
        ({"storage-data-source": "pvc/golden"}, {"storage-medium": "Disk"}, {"emptyDir": {"sizeLimit": "20Gi"}}),
    ],
)
def test_a_default_class_gives_way_to_the_medium_that_a_pod_asks_for(
    defaults: dict[str, str], options: dict[str, str], source: dict[str, Any]
) -> None:
    spec = injected_pod(a_pod(options=options), permissive_policy(defaults=defaults))["spec"]
    assert spec["volumes"][1] == {"name": "dind-storage", **source}


def test_a_default_medium_gives_way_to_the_class_that_a_pod_asks_for() -> None:
    policy = permissive_policy(defaults={"storage-medium": "Memory"})
    assert "ephemeral" in injected_pod(a_pod(options={"storage-class": "fast"}), policy)["spec"]["volumes"][1]


def test_a_default_medium_gives_way_to_the_data_source_that_a_pod_asks_for() -> None:
    policy = permissive_policy(defaults={"storage-medium": "Memory"})
    options = {"storage-data-source": "pvc/golden"}
    assert "ephemeral" in injected_pod(a_pod(options=options), policy)["spec"]["volumes"][1]


def test_a_default_data_source_stays_beside_the_class_that_a_pod_asks_for() -> None:
    policy = permissive_policy(defaults={"storage-data-source": "pvc/golden"})
    volume = injected_pod(a_pod(options={"storage-class": "fast"}), policy)["spec"]["volumes"][1]
    claim = volume["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert (claim["storageClassName"], claim["dataSource"]["name"]) == ("fast", "golden")


def test_a_data_source_needs_a_volume() -> None:
    decision = inject(a_pod(options={"storage-data-source": "pvc/golden"}), None, permissive_policy(storage=False))
    assert decision.message == (
        "dind.io/storage-data-source needs a volume at /var/lib/docker, which this cluster's operator has turned off; "
        "remove it"
    )


def test_a_pod_with_a_data_source_needs_no_ephemeral_storage() -> None:
    """The volume of a claim is not among the storage that kubelet counts."""
    spec = injected_pod(a_pod(options={"storage-data-source": "pvc/golden"}), _OPEN)["spec"]
    (daemon,) = (container for container in spec["initContainers"] if container["name"] == "dind")
    assert "ephemeral-storage" not in daemon["resources"]["requests"]


@pytest.mark.parametrize(
    ("security", "options", "is_warned"),
    [
        ({"fsGroup": 1000}, {"storage-data-source": "pvc/golden"}, True),
        ({"runAsUser": 1000}, {"storage-data-source": "pvc/golden"}, False),
        ({"fsGroup": 1000}, {"storage-class": "fast"}, False),
    ],
)
def test_a_group_of_all_files_in_a_copy_is_worth_a_warning(
    security: dict[str, int], options: dict[str, str], *, is_warned: bool
) -> None:
    decision = inject(a_pod(options=options, securityContext=security), None, _OPEN)
    assert any("fsGroup: kubelet gives that group" in warning for warning in decision.warnings) is is_warned


def test_a_volume_needs_a_size() -> None:
    policy = permissive_policy(defaults={"storage-size": ""})
    for options in ({"storage-class": "fast"}, {"storage-medium": "Volume"}, {"storage-data-source": "pvc/golden"}):
        decision = inject(a_pod(options=options), None, policy)
        assert decision.message == "dind.io/storage-size is needed for a volume; set it"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("dind.io/cpu-limt", "does not exist; did you mean dind.io/cpu-limit?"),
        ("dind.io/Inject", "does not exist; did you mean dind.io/inject?"),
        (
            "dind.io/zzzzzzzzzzzzzzzzzzzzzzzz",
            "does not exist; names that exist after dind.io/ are inject, containers, ",
        ),
    ],
)
def test_an_unknown_key_is_denied_with_the_nearest_or_all_known(key: str, says: str, policy: Policy) -> None:
    pod = a_pod()
    pod["metadata"]["annotations"][key] = "x"
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.UNKNOWN_ANNOTATION
    assert decision.message.startswith(f"annotation {key} {says}")


def test_all_unknown_keys_are_named_at_once(policy: Policy) -> None:
    message = inject(a_pod(options={"cpu-limt": "2", "mut": "1450"}), None, policy).message
    assert "dind.io/cpu-limt" in message
    assert "; annotation dind.io/mut" in message


@pytest.mark.parametrize("key", ["example.com/mtu", "dind.io.example/mtu", "mtu", "dind.iox/mtu"])
def test_keys_of_others_are_none_of_our_business(key: str, policy: Policy) -> None:
    pod = a_pod()
    pod["metadata"]["annotations"][key] = "x"
    assert inject(pod, None, policy).reason is Reason.INJECTED


@_EACH_OPTION
def test_an_option_is_open_only_where_the_operator_says_so(option: Option) -> None:
    others = frozenset(_BY_NAME) - {option.name}
    pod = a_pod(options={option.name: option.example})
    decision = inject(pod, None, operator_policy(allowed_options=others))
    assert decision.reason is Reason.OPTION_NOT_ALLOWED
    assert decision.message.startswith(f"annotation {option.key} may not be set in this cluster; remove it")
    allowed = operator_policy(allowed_options=frozenset({option.name}), allow_public_tcp=True)
    assert inject(pod, None, allowed).reason is not Reason.OPTION_NOT_ALLOWED


def test_a_refused_option_is_denied_whatever_its_value(policy: Policy) -> None:
    assert inject(a_pod(options={"env": "nonsense"}), None, policy).reason is Reason.OPTION_NOT_ALLOWED


def test_an_image_has_to_be_among_those_allowed() -> None:
    policy = permissive_policy(allowed_images=("registry.example/ci/*",))
    assert injected_pod(a_pod(options={"image": "registry.example/ci/docker:1"}), policy)
    decision = inject(a_pod(options={"image": "registry.example/x/docker:1"}), None, policy)
    assert decision.reason is Reason.IMAGE_NOT_ALLOWED
    assert decision.message.startswith('annotation dind.io/image: "registry.example/x/docker:1" is not an image')
    assert decision.message.endswith("docker:29.8.2-dind, registry.example/ci/*")


def test_the_operators_own_image_is_always_allowed() -> None:
    policy = permissive_policy(defaults={"image": "registry.example/own:1"})
    assert inject(a_pod(options={"image": "registry.example/own:1"}), None, policy).reason is Reason.INJECTED
    assert inject(a_pod(options={"image": "docker:29.8.2-dind"}), None, policy).reason is Reason.IMAGE_NOT_ALLOWED


@pytest.mark.parametrize("text", ["0.0.0.0:2375", "10.0.0.1:2375", "[::]:2375"])
def test_an_address_beyond_loopback_needs_the_operators_consent(text: str) -> None:
    decision = inject(a_pod(options={"tcp": text}), None, permissive_policy())
    assert decision.reason is Reason.OPTION_NOT_ALLOWED
    assert decision.message.startswith(f'annotation dind.io/tcp: "{text}" is not loopback')
    assert decision.message.endswith("use an address such as 127.0.0.1:2375")


def test_the_operators_own_address_is_always_allowed() -> None:
    policy = permissive_policy(defaults={"tcp": "0.0.0.0:8000"})
    assert inject(a_pod(options={"tcp": "0.0.0.0:8000"}), None, policy).reason is Reason.INJECTED


@pytest.mark.parametrize("text", ["127.0.0.1:2375", "127.9.9.9:1", "localhost:2375", "[::1]:2375"])
def test_loopback_needs_no_consent(text: str) -> None:
    assert inject(a_pod(options={"tcp": text}), None, permissive_policy()).reason is Reason.INJECTED


def test_defaults_are_read_as_annotations_are() -> None:
    options, problems = apply_defaults(built_in_options(), {"mtu": "1450", "tcp": "0.0.0.0:8000", "cpu-limit": ""})
    assert problems == []
    assert (options.mtu, options.tcp, options.cpu_limit) == (1450, TcpAddress("0.0.0.0", 8000), None)


_TOO_MUCH_CPU = (
    "dind.io/cpu-request is 3, more than dind.io/cpu-limit, which is 2; lower the request or set a limit of 3 or more"
)


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ({"mut": "1450"}, "mut: is not an option; did you mean mtu?"),
        ({"zzzzzzz": "1"}, "zzzzzzz: is not an option"),
        ({"image": ""}, "image: cannot be empty"),
        ({"mtu": "1"}, 'mtu: "1" must be a whole number from 68 to 65535'),
        ({"cpu-request": "3"}, _TOO_MUCH_CPU),
        ({"storage-class": "fast", "storage-size": ""}, "dind.io/storage-size is needed for a volume; set it"),
    ],
)
def test_a_default_that_cannot_be_used_is_a_problem(texts: dict[str, str], problem: str) -> None:
    _, problems = apply_defaults(built_in_options(), texts)
    assert problems == [problem]


@_EACH_OPTION
def test_an_empty_default_leaves_an_option_unset_unless_it_is_required(option: Option) -> None:
    options, problems = apply_defaults(built_in_options(), {option.name: ""})
    if option.required:
        assert problems == [f"{option.name}: cannot be empty"]
    else:
        assert problems == []
        assert getattr(options, option.field) == option.unset_value


def test_a_size_that_the_operator_left_out_is_left_out() -> None:
    volumes = injected_pod(a_pod(), operator_policy(defaults={"storage-size": ""}))["spec"]["volumes"]
    assert volumes[1] == {"name": "dind-storage", "emptyDir": {}}


def test_limits_that_the_operator_left_out_are_left_out() -> None:
    names = ("cpu-request", "cpu-limit", "memory-request", "memory-limit", "ephemeral-storage-request")
    policy = operator_policy(defaults=dict.fromkeys(names, ""))
    assert "resources" not in injected_pod(a_pod(), policy)["spec"]["initContainers"][0]
    policy = operator_policy(defaults=dict.fromkeys([name for name in names if name != "memory-request"], ""))
    daemon = injected_pod(a_pod(), policy)["spec"]["initContainers"][0]
    assert daemon["resources"] == {"requests": {"memory": "512Mi"}}


_MIRRORS = {"registry-mirrors": "http://m.example:5000"}


@pytest.mark.parametrize(
    ("mirror", "insecure"),
    [
        ("http://m.example:5000", "m.example:5000"),
        ("https://M.example/proxy", "m.example"),
        ("http://m.example:5000", "other.example,M.EXAMPLE:5000"),
        ("http://10.1.2.3:5000", "10.0.0.0/8"),
        ("http://[fd00::1]:5000", "fd00::/8"),
        ("http://[::ffff:a01:203]", "10.0.0.0/8"),
        ("http://10.1.2.3:5000", "::ffff:10.0.0.0/104"),
        ("http://[::ffff:a01:203]", "::ffff:a01:203/128"),
        ("http://localhost:5000", ""),
        ("https://mirror.localhost", ""),
        ("http://127.0.0.9:5000", ""),
        ("http://[::1]", ""),
    ],
)
def test_a_mirror_that_is_an_insecure_registry_is_denied_with_the_reason(mirror: str, insecure: str) -> None:
    options = {"registry-mirrors": mirror, **({"insecure-registries": insecure} if insecure else {})}
    decision = inject(a_pod(options=options), None, _OPEN)
    assert decision.reason is Reason.INVALID_OPTION
    assert "would no longer check the certificate of Docker Hub itself" in decision.message


@pytest.mark.parametrize(
    ("mirror", "insecure"),
    [
        ("http://m.example:5000", "m.example"),
        ("http://m.example", "m.example:5000"),
        ("http://10.1.2.3:5000", "10.1.0.0/24"),
        ("http://10.1.2.3:5000", "fd00::/8"),
        ("http://10.1.2.3:5000", "::ffff:10.2.0.0/112"),
        ("http://10.1.2.3:5000", "::/0"),
        ("http://localhost.example", "other.example"),
    ],
)
def test_other_mirrors_are_accepted(mirror: str, insecure: str) -> None:
    decision = inject(a_pod(options={"registry-mirrors": mirror, "insecure-registries": insecure}), None, _OPEN)
    assert decision.reason is Reason.INJECTED


@pytest.mark.parametrize(
    ("mirror", "insecure"), [("ghcr.io=http://localhost:5000", "x.example"), ("ghcr.io=http://m.example", "m.example")]
)
def test_a_mirror_of_another_registry_may_be_an_insecure_registry(mirror: str, insecure: str) -> None:
    decision = inject(a_pod(options={"registry-mirrors": mirror, "insecure-registries": insecure}), None, _OPEN)
    assert decision.reason is Reason.INJECTED


def test_a_mirror_of_the_operator_counts_as_well() -> None:
    options = {"insecure-registries": "m.example:5000"}
    decision = inject(a_pod(options=options), None, permissive_policy(defaults=_MIRRORS))
    assert decision.reason is Reason.INVALID_OPTION
    _, problems = apply_defaults(built_in_options(), {**_MIRRORS, **options})
    assert "would no longer check the certificate of Docker Hub itself" in problems[0]


def test_a_mirror_whose_name_may_lead_into_an_insecure_network_is_a_warning() -> None:
    decision = inject(a_pod(options={**_MIRRORS, "insecure-registries": "10.0.0.0/8,x.example"}), None, _OPEN)
    assert decision.warnings == ("Docker Hub's certificate is not checked if a mirror's address is in: 10.0.0.0/8",)


@pytest.mark.parametrize("address", ["0.0.0.0:9323", ":9323", "[::]:9323", "10.0.0.1:9323", "node:9323", "9323", ""])
def test_a_flag_that_listens_falls_under_public_tcp(address: str) -> None:
    options = {"dockerd-args": json.dumps([f"--metrics-addr={address}"])}
    decision = inject(a_pod(options=options), None, permissive_policy())
    assert decision.reason is Reason.OPTION_NOT_ALLOWED
    assert f'"--metrics-addr={address}" listens on other than loopback' in decision.message
    assert inject(a_pod(options=options), None, permissive_policy(allow_public_tcp=True)).reason is Reason.INJECTED


@pytest.mark.parametrize("other", ["bad", "--config-file=x", 5, None])
def test_a_flag_that_listens_is_not_permitted_even_beside_one_that_is_not_accepted(other: object) -> None:
    options = {"dockerd-args": json.dumps(["--metrics-addr=0.0.0.0:9323", other])}
    assert inject(a_pod(options=options), None, permissive_policy()).reason is Reason.OPTION_NOT_ALLOWED
    assert (
        inject(a_pod(options=options), None, permissive_policy(allow_public_tcp=True)).reason is Reason.INVALID_OPTION
    )


@pytest.mark.parametrize("address", ["127.0.0.1:9323", "localhost:9323", "[::1]:9323"])
def test_it_may_listen_on_loopback(address: str) -> None:
    options = {"dockerd-args": json.dumps([f"--metrics-addr={address}"])}
    assert inject(a_pod(options=options), None, permissive_policy()).reason is Reason.INJECTED


def test_what_the_operator_has_it_listen_on_is_no_pods_fault() -> None:
    arguments = '["--metrics-addr=0.0.0.0:9323"]'
    policy = permissive_policy(defaults={"dockerd-args": arguments})
    assert inject(a_pod(options={"dockerd-args": arguments}), None, policy).reason is Reason.INJECTED
    assert inject(a_pod(), None, policy).reason is Reason.INJECTED


_METRICS = {"metrics-port": "9323"}
_PUBLIC = permissive_policy(allow_public_tcp=True)


def test_a_port_for_metrics_falls_under_public_tcp() -> None:
    decision = inject(a_pod(options=_METRICS), None, permissive_policy())
    assert decision.reason is Reason.OPTION_NOT_ALLOWED
    assert "annotation dind.io/metrics-port: 9323 listens on other than loopback" in decision.message
    assert inject(a_pod(options=_METRICS), None, _PUBLIC).reason is Reason.INJECTED


def test_the_operators_default_port_for_metrics_is_consent_to_that_port_only() -> None:
    policy = permissive_policy(defaults=_METRICS)
    assert inject(a_pod(), None, policy).reason is Reason.INJECTED
    assert inject(a_pod(options=_METRICS), None, policy).reason is Reason.INJECTED
    assert inject(a_pod(options={"metrics-port": "9324"}), None, policy).reason is Reason.OPTION_NOT_ALLOWED


@pytest.mark.parametrize("flag", ["--metrics-addr=127.0.0.1:1", "--metrics-addr"])
def test_a_second_address_for_metrics_is_denied_by_name(flag: str) -> None:
    options = {**_METRICS, "dockerd-args": json.dumps([flag])}
    decision = inject(a_pod(options=options), None, _PUBLIC)
    assert decision.reason is Reason.INVALID_OPTION
    assert "dind.io/dockerd-args sets --metrics-addr, which dind.io/metrics-port sets; remove one" in decision.message
    _, problems = apply_defaults(built_in_options(), options)
    assert "sets --metrics-addr" in problems[0]


def test_metrics_and_the_api_cannot_have_one_port() -> None:
    decision = inject(a_pod(options={**_METRICS, "tcp": "127.0.0.1:9323"}), None, _PUBLIC)
    assert decision.reason is Reason.INVALID_OPTION
    assert "dind.io/metrics-port and dind.io/tcp have the same port, 9323; change one of them" in decision.message


def test_metrics_are_not_served_in_the_network_of_the_node() -> None:
    pod = a_pod(options=_METRICS)
    pod["spec"]["hostNetwork"] = True
    policy = permissive_policy(allow_public_tcp=True, allow_host_network=True)
    decision = inject(pod, None, policy)
    assert decision.reason is Reason.HOST_NETWORK
    assert "the daemon's metrics would be on port 9323 of the node" in decision.message
    del pod["metadata"]["annotations"]["dind.io/metrics-port"]
    assert inject(pod, None, policy).reason is Reason.INJECTED
