"""Pods for the tests of the strict policy: allowed pods under several operators' settings, and attacks."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jsonpatch
import workloads
from kube import Manifest

from dind_webhook.injection import OPTIONS, STATUS, Isolation, Option, Outcome, Policy, inject
from dind_webhook.injection.bounds import find_exceeded_bounds
from dind_webhook.settings import InjectionSettings, make_policy

ALL = [option.name for option in OPTIONS]
# RuntimeClasses that the tests create; no pod that needs one runs.
RUNTIME_CLASSES = ["userns", "sysbox", "kata", "gvisor"]

# Values of `settings.injection`, by operator. Each is tested with pods of both modes and of each allowed placement.
OPERATORS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": {
        "allowed_options": ALL,
        "allowed_images": ["docker:*-dind", "registry.example/ci/*", "docker.io/library/dind:*", "docker.io/ci/dind:*"],
        "allow_public_tcp": True,
        "allowed_isolations": [str(isolation) for isolation in Isolation],
        "runtime_classes": {name: name for name in RUNTIME_CLASSES},
    },
    "loopback": {"allowed_options": ALL},
    "closed": {
        "allowed_options": [],
        "defaults": {
            "cpu-request": 0.5,
            "cpu-limit": "2.5",
            "memory-request": "1G",
            "memory-limit": "2048Mi",
            "storage-size": "10Gi",
            "group": 1001,
            "mtu": 1450,
            "registry-mirrors": "https://mirror.example , GHCR.io=node:5000,*=http://other.example:5000/path, a.b:5=none",
            "insecure-registries": "10.0.0.0/8, registry.ci:5000",
            "address-pools": "10.200.0.0/16:24,10.201.0.0/16:28",
            "image": "registry.example/ci/docker:29-dind@sha256:" + "0123456789abcdef" * 4,
            "ca": "company-ca",
            "registry-secret": "registry-credentials",
            "daemon-files": "certs.d/registry.ci/ca.crt=configmap/a/ca.crt , daemon.json=secret/b/daemon.json",
            "proxy": "http://proxy.corp.example:3128",
            "no-proxy": ["localhost", ".corp.example", "10.0.0.0/8", "fd00::1"],
            "tcp": "[::1]:2375",
            "env": {"HTTPS_PROXY": "http://proxy:3128", "EMPTY": ""},
            "dockerd-args": ["--log-level=debug", "--debug", "--label=a=$b <&>'\"\\d"],
            "share-volumes": "work, cache",
            "wait": False,
        },
    },
    "seed": {
        "allowed_options": ["containers", "wait"],
        "docker_sock": False,
        "start_script": False,
        "startup_probe": False,
        "storage": False,
        "tls_flag": False,
        "container_name": "docker",
        "wait_container_name": "docker-wait",
        "run_volume": "docker-run",
        "storage_volume": "docker-storage",
        "host_path_read_only": False,
        "host_path_type": "",
        "defaults": {
            "placement": "container",
            "socket-dir": "/var/run",
            "group": "",
            "cpu-request": "",
            "cpu-limit": "",
            "memory-request": "",
            "memory-limit": "",
            "tcp": "0.0.0.0:2375",
            "share-volumes": False,
        },
    },
    "volume": {
        "node_selector": {"example.com/pool": "docker"},
        "tolerations": [{"key": "docker", "operator": "Exists", "effect": "NoSchedule"}],
        "image_pull_secrets": ["mirror"],
        "allowed_options": ["placement", "socket-dir"],
        "docker_sock": False,
        "defaults": {"storage-class": "fast-ssd", "storage-size": "100Gi", "socket-dir": "/srv/docker"},
    },
    "golden": {
        "allowed_options": ["storage-size", "storage-class"],
        "defaults": {"storage-data-source": "volumesnapshot/docker-golden"},
    },
    "bounded": {
        "allowed_options": [*ALL],
        "defaults": {"ephemeral-storage-limit": "50Gi", "memory-limit": "2.5Gi"},
        "max": {
            "cpu-request": "400m",
            "cpu-limit": 4,
            "memory-request": "1Gi",
            "memory-limit": "4096Mi",
            "ephemeral-storage-request": "20Gi",
            "ephemeral-storage-limit": "60Gi",
            "storage-size": "50Gi",
        },
    },
    "memory": {
        "allowed_options": ["socket-dir", "storage-medium", "memory-limit"],
        "startup_probe": False,
        "defaults": {"storage-medium": "Memory", "storage-size": "", "socket-dir": "/run/dind"},
    },
}

# Valid values of each option. A test fails if an option has none.
OPTION_TEXTS: dict[str, list[str]] = {
    "containers": ["build", "build,setup"],
    "placement": ["native", "container"],
    "isolation": [str(isolation) for isolation in Isolation],
    "share-volumes": ["true", "false", "work", "work,cache"],
    "wait": ["true", "false"],
    "node-socket": ["deny", "replace"],
    "client": ["true", "false", "/opt/docker"],
    "cpu-request": ["500m", "0.1"],
    "cpu-limit": ["64", "1e1", "2.50", "none"],
    "memory-request": ["1Gi", "1000000"],
    "memory-limit": ["8Gi", "1.5Gi", "none"],
    "ephemeral-storage-request": ["10Gi", "1"],
    "ephemeral-storage-limit": ["60Gi", "25G"],
    "storage-size": ["50Gi", "1T"],
    "storage-medium": ["Disk", "Memory", "Volume"],
    "storage-class": ["fast-ssd"],
    "storage-data-source": ["volumesnapshot/docker-golden", "pvc/a.b"],
    "group": ["0", "1001", "2147483647"],
    "mtu": ["68", "1450", "65535"],
    "registry-mirrors": [
        "https://mirror.example",
        "docker.io=http://a:5000/v2/, ghcr.io=https://[fd00::1]:443",
        "http://Mirror.example",
        "docker.io=node:5000, *=https://node/v2/x,registry.example:5000=none",
    ],
    "insecure-registries": ["registry.ci:5000,10.0.0.0/8", "fd00::/8", "[fd00::1]:5000", "UPPER.example"],
    "address-pools": ["10.200.0.0/16:24", "10.0.0.0/8:8, fd00:1::/48:64"],
    "ca": ["company-ca", "ca.crt"],
    "registry-secret": ["registry-credentials"],
    "proxy": ["http://proxy.corp.example:3128", "https://[fd00::1]:3128/"],
    "no-proxy": [
        "corp.example:8080,.corp.example, 10.0.0.0/8,fd00::/8,10.0.0.1, fd00::1",
        "[fd00::1]:80,UPPER.example",
    ],
    "daemon-files": [
        "daemon.json=configmap/docker/daemon.json",
        "certs.d/registry.ci:5000/ca.crt=secret/a/ca.crt, certs.d/[fd00::1]:5000/hosts.toml=configmap/b/_.x",
    ],
    "image": [
        "docker:29.8.2-dind",
        "docker:30-dind",
        "docker.io/library/docker:30-dind",
        "library/docker:30-dind",
        "index.docker.io/library/docker:30-dind",
        "docker.io/docker:30-dind",
        "registry.example/ci/anything:1",
        "dind:1",
        "ci/dind:1",
    ],
    "socket-dir": ["/run/dind", "/var/run", "/run", "/srv/sock", "/var/run/postgresql", "/home/a_b.c"],
    "tcp": ["127.0.0.1:2375", "localhost:1", "[::1]:65535", "0.0.0.0:2375", "[::]:80"],
    "metrics-port": ["9323", "65535"],
    "env": ["{}", '{"HTTPS_PROXY": "http://proxy:3128"}', '{"A": "", "B.c": "$(A) \\u00fc\\n"}'],
    "dockerd-args": ["[]", '["--debug"]', '["--log-opt=max-size=10m", "--label=a=b\\nc"]'],
}
NOT_LOOPBACK = ("0.0.0.0:2375", "[::]:80")


def build(**members: Any) -> Manifest:
    return {"name": "build", "image": "build", **members}


MOUNTS = [
    {"name": "work", "mountPath": "/work", "subPath": "a/b"},
    {"name": "cache", "mountPath": "/cache/", "readOnly": True},
    {"name": "scratch", "mountPath": "scratch"},
    {"name": "settings", "mountPath": "/etc/settings"},
    {"name": "work", "mountPath": "/usr/local/work"},
]
VOLUMES = [
    {"name": "work", "emptyDir": {}},
    {"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}},
    {
        "name": "scratch",
        "ephemeral": {
            "volumeClaimTemplate": {
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
            }
        },
    },
    {"name": "settings", "configMap": {"name": "settings"}},
]
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "readOnlyRootFilesystem": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
# The specs of allowed pods
BODIES: dict[str, Manifest] = {
    "plain": {"containers": [build()]},
    "workspaces": {
        "containers": [build(volumeMounts=MOUNTS)],
        "initContainers": [{"name": "setup", "image": "setup", "volumeMounts": [MOUNTS[1]]}],
        "volumes": VOLUMES,
    },
    "restricted": {
        "containers": [build(securityContext=RESTRICTED, ports=[{"containerPort": 80}])],
        "securityContext": {"runAsNonRoot": True, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    },
    "without-a-token": {"containers": [build()], "automountServiceAccountToken": False},
    "an-injectors-sidecar": {
        "containers": [build()],
        "initContainers": [{"name": "proxy", "image": "proxy", "restartPolicy": "Always"}],
    },
    "fifty": {
        "containers": [{**build(volumeMounts=[MOUNTS[0]]), "name": f"build-{index}"} for index in range(40)],
        "initContainers": [{"name": f"setup-{index}", "image": "setup"} for index in range(10)],
        "volumes": VOLUMES,
    },
}


def pod(body: Manifest, mode: str = "sidecar", options: dict[str, str] | None = None) -> Manifest:
    """Return a pod that asks for Docker and is never scheduled."""
    made = workloads.pod(inject=mode, options=options, name="strict")
    spec = {"restartPolicy": "Never", "nodeSelector": {"e2e.dind.io/never": "true"}, **copy.deepcopy(body)}
    return {**made, "spec": spec}


def injected(pod: Manifest, policy: Policy) -> Manifest:
    """Return the pod after injection."""
    decision = inject(pod, None, policy)
    assert decision.outcome is Outcome.INJECTED, decision.message
    patched: Manifest = jsonpatch.apply_patch(pod, list(decision.operations))
    return patched


def honest(settings: dict[str, Any]) -> Iterator[tuple[str, Manifest]]:
    """Yield names and pods that the policy must allow under one operator's settings, before injection."""
    defaults = settings.get("defaults", {})
    allowed = settings.get("allowed_options", [option.name for option in OPTIONS if option.allowed_by_default])
    # Each pod must have the volumes that the operator's settings name.
    volumes_named = isinstance(defaults.get("share-volumes"), str)
    bodies = {name: body for name, body in BODIES.items() if "volumes" in body or not volumes_named}
    modes = [{"placement": "native"}, {"placement": "container"}] if "placement" in allowed else [{}]
    for name, body in bodies.items():
        for options in modes:
            yield f"{name}-{options.get('placement', 'sidecar')}", pod(body, options=options)
        if defaults.get("socket-dir") != "/var/run" or settings.get("host_path_read_only") is False:
            yield f"{name}-daemonset", pod(body, "daemonset")
    for option in (option for option in OPTIONS if option.name in allowed):
        for text in (text for text in OPTION_TEXTS[option.name] if _is_allowed(option, text, settings)):
            for mode in sorted(option.modes):
                if mode == "sidecar" or text not in ("/run", "/var/run"):
                    yield f"{option.name}={text}-{mode}", pod(BODIES["workspaces"], mode, {option.name: text})


def _is_allowed(option: Option, text: str, settings: dict[str, Any]) -> bool:
    """Return whether the operator allows this value of an option."""
    if option.name == "tcp":
        return text not in NOT_LOOPBACK or bool(settings.get("allow_public_tcp"))
    if option.name == "metrics-port":
        return bool(settings.get("allow_public_tcp"))
    if option.name == "image":
        return text == option.default or bool(settings.get("allowed_images"))
    if option.name == "isolation":
        return text == option.default or text in settings.get("allowed_isolations", ["userns"])
    if option.is_quantity and any(
        find_exceeded_bounds({option.key: text}, make_policy(InjectionSettings(**settings)).max, "cluster")
    ):
        return False
    return text != "Volume" or settings.get("defaults", {}).get("storage-size") != ""


_USERNS = {"isolation": "userns"}


@dataclass(frozen=True)
class Attack:
    """A change to an injected pod that the policy must refuse, and a part of the message."""

    name: str
    says: str
    change: Callable[[Manifest], object]
    operator: str = "defaults"
    mode: str = "sidecar"
    options: dict[str, str] = field(default_factory=dict)
    # The first minor version of Kubernetes that has the members
    since: int = 30


def daemon(pod: Manifest) -> Manifest:
    """Return the daemon's container."""
    spec = pod["spec"]
    (found,) = [
        one for one in [*spec.get("initContainers", []), *spec["containers"]] if one["name"] in ("dind", "docker")
    ]
    container: Manifest = found
    return container


def _set(**members: Any) -> Callable[[Manifest], object]:
    return lambda pod: daemon(pod).update(copy.deepcopy(members))


def _change_status(old: str, new: str) -> Callable[[Manifest], object]:
    def change(pod: Manifest) -> None:
        annotations = pod["metadata"]["annotations"]
        annotations[STATUS] = annotations[STATUS].replace(old, new)

    return change


def _set_variable(name: str, value: str | None) -> Callable[[Manifest], object]:
    """Change a variable of the daemon, or remove it."""

    def change(pod: Manifest) -> None:
        others = [one for one in daemon(pod)["env"] if one["name"] != name]
        daemon(pod)["env"] = others if value is None else [*others, {"name": name, "value": value}]

    return change


def _args(*arguments: str) -> Callable[[Manifest], object]:
    return lambda pod: daemon(pod)["args"].extend(arguments)


def _mount(volume: Manifest | None, **mount: Any) -> Callable[[Manifest], object]:
    """Mount a volume in the daemon's container. If a volume is given, add it to the pod first."""

    def change(pod: Manifest) -> None:
        if volume:
            pod["spec"]["volumes"].append({"name": mount["name"], **volume})
        daemon(pod)["volumeMounts"].append(mount)

    return change


def _change_own_mount(name: str, **members: Any) -> Callable[[Manifest], object]:
    """Change the mount of a volume in the daemon's container."""
    return lambda pod: next(each for each in daemon(pod)["volumeMounts"] if each["name"] == name).update(members)


def _replace_volume(name: str, source: Manifest) -> Callable[[Manifest], object]:
    def change(pod: Manifest) -> None:
        pod["spec"]["volumes"] = [
            one if one["name"] != name else {"name": name, **source} for one in pod["spec"]["volumes"]
        ]

    return change


def _own(**members: Any) -> Callable[[Manifest], object]:
    return lambda pod: pod["spec"]["containers"][0].update(copy.deepcopy(members))


def _init(**members: Any) -> Callable[[Manifest], object]:
    return lambda pod: pod["spec"].setdefault("initContainers", []).append({"name": "own", "image": "own", **members})


def _status(text: str | None) -> Callable[[Manifest], object]:
    def change(pod: Manifest) -> None:
        if text is None:
            del pod["metadata"]["annotations"][STATUS]
        else:
            pod["metadata"]["annotations"][STATUS] = text

    return change


def _other_daemon(placement: str) -> Callable[[Manifest], object]:
    """Set the pod's status annotation to `{}`, and add another daemon, with another image, TCP and a hostPath."""

    def change(pod: Manifest) -> None:
        own = {
            "name": "dind",
            "image": "attacker.example/dind:1",
            "args": ["dockerd", "--host=tcp://0.0.0.0:2375"],
            "securityContext": {"privileged": True},
            "volumeMounts": [{"name": "dind-run", "mountPath": "/run/dind"}, {"name": "root", "mountPath": "/host"}],
        }
        spec = pod["spec"]
        spec["initContainers"] = [one for one in spec["initContainers"] if one["name"] != "dind"]
        if placement == "native":
            spec["initContainers"].insert(0, {**own, "restartPolicy": "Always"})
        else:
            spec["containers"].append(own)
        spec["volumes"].append({"name": "root", "hostPath": {"path": "/"}})
        _status("{}")(pod)

    return change


def _without_restart_policy(pod: Manifest) -> None:
    del daemon(pod)["restartPolicy"]


def _moved(pod: Manifest) -> None:
    spec = pod["spec"]
    spec["containers"].append({**daemon(pod)})
    spec["initContainers"] = []
    del spec["containers"][-1]["restartPolicy"]


def _opted_out_with_our_names(pod: Manifest) -> None:
    """Use the names that an exemption in Kyverno or Gatekeeper would match."""
    pod["metadata"]["annotations"] = {workloads.INJECT: "disabled"}
    pod["spec"]["initContainers"] = []
    pod["spec"]["containers"].append(
        {"name": "dind", "image": "own", "securityContext": {"privileged": True},
         "volumeMounts": [{"name": "dind-run", "mountPath": "/host"}]}
    )  # fmt: skip
    _replace_volume("dind-run", {"hostPath": {"path": "/"}})(pod)


def _label_instead(pod: Manifest) -> None:
    pod["metadata"] = {"name": "strict", "labels": {workloads.INJECT: "sidecar"}}


def _remove_mount(name: str) -> Callable[[Manifest], object]:
    def change(pod: Manifest) -> None:
        container = daemon(pod)
        container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != name]

    return change


def _change_mounts(name: str, **members: Any) -> Callable[[Manifest], object]:
    """Change the mounts of a volume in the containers other than the daemon."""

    def change(pod: Manifest) -> None:
        for container in pod["spec"]["containers"]:
            for mount in container["volumeMounts"]:
                if mount["name"] == name:
                    mount.update(members)

    return change


def _limit(kind: str, name: str, amount: str) -> Callable[[Manifest], object]:
    return lambda pod: daemon(pod)["resources"].setdefault(kind, {}).update({name: amount})


def _unlimited(resource: str) -> Callable[[Manifest], object]:
    return lambda pod: [_limit(kind, resource, "0")(pod) for kind in ("requests", "limits")]


def _claim_size(size: str) -> Callable[[Manifest], object]:
    def change(pod: Manifest) -> None:
        (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == "dind-storage"]
        volume["ephemeral"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"] = size

    return change


def _claim(**members: Any) -> Callable[[Manifest], object]:
    """Set members of the claim at /var/lib/docker; None removes one."""

    def change(pod: Manifest) -> None:
        (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == "dind-storage"]
        claim = volume["ephemeral"]["volumeClaimTemplate"]["spec"]
        claim.update(members)
        for name in [name for name, value in claim.items() if value is None]:
            del claim[name]

    return change


_SNAPSHOT: Manifest = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "docker-golden"}
_EMPTY: Manifest = {"emptyDir": {}}
_ARGS = "args have"
_CONTEXT = {
    "privileged": True,
    "allowPrivilegeEscalation": True,
    "runAsUser": 0,
    "runAsGroup": 0,
    "runAsNonRoot": False,
    "readOnlyRootFilesystem": False,
    "procMount": "Default",
    "seccompProfile": {"type": "Unconfined"},
}
_POSTSTART = {"postStart": {"exec": {"command": ["sh", "-c", "nsenter -t 1 -a"]}}}
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_FORGED = '{"mode":"sidecar","version":"0.1.0"}'

ATTACKS = [
    # Sections 3, 5 and 8 of the security review
    Attack("forged-status-and-native-daemon", "annotation dind.io/status: only dind-webhook", _other_daemon("native")),
    Attack("forged-status-and-ordinary-daemon", "annotation dind.io/status: only", _other_daemon("container")),
    Attack("opted-out-with-our-names", "volume dind-run: a hostPath", _opted_out_with_our_names),
    Attack("opted-out-with-our-name", "container dind: must not set securityContext.privileged", lambda pod: (_opted_out_with_our_names(pod), _replace_volume("dind-run", _EMPTY)(pod))),
    Attack("kube-api-access-of-a-host-path", "volume kube-api-access-x: a hostPath", _mount({"hostPath": {"path": "/"}}, name="kube-api-access-x", mountPath=_TOKEN_PATH, readOnly=True)),
    Attack("kube-api-access-of-a-secret", "volume kube-api-access-x at", _mount({"secret": {"secretName": "s"}}, name="kube-api-access-x", mountPath=_TOKEN_PATH, readOnly=True)),
    Attack("run-volume-of-the-node-writable", "volume dind-run: containers must mount it with readOnly: true", _change_mounts("dind-run", readOnly=False), mode="daemonset"),
    Attack("storage-volume-in-another-container", "volume dind-storage: only container dind", _own(volumeMounts=[{"name": "dind-storage", "mountPath": "/rw"}])),
    Attack("image-by-digest-of-a-pattern-of-tags", "image docker:29-dind@sha256", _set(image="docker:29-dind@sha256:" + "0" * 64), operator="everything"),
    Attack("metrics-address-of-all", _ARGS, _args("--metrics-addr=0.0.0.0:9323"), operator="loopback"),
    Attack("metrics-port-that-is-not-allowed", _ARGS, _args("--metrics-addr=0.0.0.0:9323")),
    Attack("metrics-port-without-metrics", "ports are not as", _set(ports=[{"name": "dind-metrics", "containerPort": 9323}])),
    Attack("a-port-of-another-name", "ports are not as", _set(ports=[{"name": "metrics", "containerPort": 9323}]), operator="everything", options={"metrics-port": "9323"}),
    Attack("another-port", "ports are not as", _set(ports=[{"name": "dind-metrics", "containerPort": 9324}]), operator="everything", options={"metrics-port": "9323"}),
    # Image, argv, environment
    Attack("another-image", "image attacker.example/dind:1 is not one", _set(image="attacker.example/dind:1")),
    Attack("another-tag", "image docker:29-dind is not one", _set(image="docker:29-dind")),
    Attack("image-that-only-contains-a-pattern", "is not one", _set(image="attacker.example/docker:1-dind"), operator="everything"),
    Attack("image-of-a-folder-below-a-pattern", "is not one", _set(image="registry.example/ci/a/b:1"), operator="everything"),
    Attack("image-of-a-look-alike-registry", "is not one", _set(image="registryXexample/ci/a:1"), operator="everything"),
    Attack("user-namespace-removed", "spec.hostUsers must be false for isolation userns", lambda pod: pod["spec"].pop("hostUsers"), options=_USERNS, since=33),
    Attack("user-namespace-only-in-the-status", "env is not as dind-webhook sets it", _change_status('"none"', '"userns"')),
    Attack("another-isolation-in-the-status", "annotation dind.io/status: only dind-webhook", _change_status('"none"', '"kata"')),
    Attack("isolation-variable-removed", "env is not as dind-webhook sets it", lambda pod: daemon(pod).pop("env"), options=_USERNS, since=33),
    Attack("isolation-variable-empty", "env is not as dind-webhook sets it", lambda pod: daemon(pod)["env"][-1].update(value=""), options=_USERNS, since=33),
    Attack("isolation-variable-hidden", "env is not as dind-webhook sets it", lambda pod: daemon(pod)["env"].append({"name": "DIND_ISOLATION", "value": ""}), operator="everything", options=_USERNS, since=33),
    Attack("runtime-class-removed", "spec.runtimeClassName must be userns", lambda pod: pod["spec"].pop("runtimeClassName"), operator="everything", options=_USERNS, since=33),
    Attack("another-runtime-class", "spec.runtimeClassName must be kata", lambda pod: pod["spec"].update(runtimeClassName="gvisor"), operator="everything", options={"isolation": "kata"}),
    Attack("privileged-with-a-runtime-class", "securityContext is not as dind-webhook sets it", lambda pod: daemon(pod)["securityContext"].update(privileged=True), operator="everything", options=_USERNS, since=33),
    Attack("privileged-with-sysbox", "securityContext is not as dind-webhook sets it", lambda pod: daemon(pod)["securityContext"].update(privileged=True), operator="everything", options={"isolation": "sysbox"}, since=33),
    Attack("pull-policy-never", "imagePullPolicy must not be Never", _set(imagePullPolicy="Never")),
    Attack("a-command", "command is not as dind-webhook sets it", _set(command=["sh", "-c", "evil"])),
    Attack("a-command-without-the-script", "command is not as dind-webhook sets it", _set(command=["sh", "-c", "evil"]), operator="seed"),
    Attack("no-command", "command is not as dind-webhook sets it", lambda pod: daemon(pod).pop("command")),
    Attack("one-more-line-in-the-script", "command is not as dind-webhook sets it", lambda pod: daemon(pod)["command"].insert(2, "evil\n" + daemon(pod)["command"].pop(2))),
    Attack("other-args", _ARGS, _set(args=["sh", "-c", "evil"])),
    Attack("no-args", "args lack dockerd", _set(args=[])),
    Attack("dockerd-not-first", "args must begin with dockerd", lambda pod: daemon(pod)["args"].reverse()),
    Attack("args-appended-tcp", _ARGS, _args("--host=tcp://0.0.0.0:2375")),
    Attack("args-appended-fd", _ARGS, _args("-H", "fd://")),
    Attack("args-appended-config-file", _ARGS, _args("--config-file=/work/daemon.json"), operator="everything"),
    Attack("args-appended-data-root", _ARGS, _args("--data-root=/work"), operator="everything"),
    Attack("args-appended-not-a-flag", _ARGS, _args("evil"), operator="everything"),
    Attack("args-of-an-option-that-is-closed", _ARGS, _args("--insecure-registry=0.0.0.0/0")),
    Attack("args-another-value-of-a-closed-option", _ARGS, _args("--registry-mirror=https://attacker.example"), operator="closed"),
    Attack("args-without-a-default-of-a-closed-option", "args lack --registry-mirror=https://mirror.example", lambda pod: daemon(pod)["args"].remove("--registry-mirror=https://mirror.example"), operator="closed"),
    Attack("args-without-dockerd-args-of-the-operator", "args lack --debug", lambda pod: daemon(pod)["args"].remove("--debug"), operator="closed"),
    Attack("args-another-socket", _ARGS, lambda pod: daemon(pod)["args"].append("--host=unix:///work/docker.sock")),
    Attack("a-line-break-in-a-flag", "args have a flag", _args("--registry-mirror=https://a\n--host=tcp://0.0.0.0:2375")),
    Attack("tcp-beyond-loopback", _ARGS, _args("--host=tcp://0.0.0.0:2375"), operator="loopback"),
    Attack("tcp-of-a-host-alias-like-loopback", _ARGS, _args("--host=tcp://127.0.0.1.5:2375"), operator="loopback"),
    Attack("metrics-address-of-a-host-alias-like-loopback", _ARGS, _args("--metrics-addr=127.0.0.1.5:9323"), operator="loopback"),
    Attack("metrics-address-with-loopback-at-its-end", _ARGS, _args("--metrics-addr=0.0.0.0:1/=127.0.0.1:2"), operator="loopback"),
    Attack("a-mirror-on-loopback", _ARGS, _args("--registry-mirror=http://localhost:5000")),
    Attack("a-mirror-on-loopback-by-address", _ARGS, _args("--registry-mirror=http://127.0.0.2:5000/path")),
    Attack("a-mirror-that-is-an-insecure-registry", _ARGS, _args("--registry-mirror=https://Mirror.example:5000", "--insecure-registry=mirror.example:5000"), operator="everything"),
    Attack("env-ld-preload", "env is not as", _set(env=[{"name": "LD_PRELOAD", "value": "/work/evil.so"}])),
    Attack("env-from-a-secret", "env is not as", _set(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]), operator="everything"),
    Attack("env-docker-host", "env is not as", _set(env=[{"name": "DOCKER_HOST", "value": "tcp://attacker.example"}]), operator="everything"),
    Attack("env-another-value-of-a-closed-option", "env is not as", _set(env=[{"name": "HTTPS_PROXY", "value": "http://attacker"}, {"name": "EMPTY"}]), operator="closed"),
    Attack("env-twice", "env is not as", lambda pod: daemon(pod)["env"].append({"name": "A", "value": "b"}), operator="closed"),
    Attack("env-without-a-variable-of-the-operator", "env is not as", lambda pod: daemon(pod)["env"].pop(0), operator="closed"),
    Attack("env-from-all-of-a-secret", "does not set envFrom", _set(envFrom=[{"secretRef": {"name": "s"}}])),
    # Members of the container
    Attack("restart-policy-stripped", "restartPolicy", _without_restart_policy, operator="memory", options={"socket-dir": "/var/run"}),
    Attack("capabilities-and-privileged", "securityContext", _set(securityContext={**_CONTEXT, "capabilities": {"add": ["ALL"]}})),
    Attack("another-user", "securityContext", _set(securityContext={**_CONTEXT, "runAsUser": 1000, "runAsNonRoot": True})),
    Attack("unconfined-apparmor", "securityContext", _set(securityContext={**_CONTEXT, "appArmorProfile": {"type": "Unconfined"}})),
    Attack("another-hook", "lifecycle", _set(lifecycle=_POSTSTART)),
    Attack("a-hook-at-the-end", "lifecycle", lambda pod: daemon(pod)["lifecycle"].update(preStop=_POSTSTART["postStart"])),
    Attack("a-hook-where-none-is", "lifecycle", _set(lifecycle=_POSTSTART), options={"placement": "container"}),
    Attack("another-startup-probe", "startupProbe", lambda pod: daemon(pod)["startupProbe"].update({"exec": {"command": ["sh", "-c", "evil"]}}), operator="volume"),
    Attack("no-startup-probe", "startupProbe", lambda pod: daemon(pod).pop("startupProbe"), operator="volume"),
    Attack("a-startup-probe-where-none-is", "startupProbe", _set(startupProbe={"exec": {"command": ["sh", "-c", "evil"]}})),
    Attack("a-liveness-probe", "does not set livenessProbe", lambda pod: daemon(pod).update(livenessProbe={"exec": {"command": ["evil"]}})),
    Attack("a-port-of-the-node", "ports are not as dind-webhook sets them", _set(ports=[{"containerPort": 2375, "hostPort": 2375}])),
    Attack("a-working-directory", "does not set workingDir", _set(workingDir="/work")),
    Attack("a-terminal", "does not set", _set(stdin=True, tty=True)),
    Attack("a-message-file-over-a-program", "terminationMessagePath", _set(terminationMessagePath="/usr/local/bin/dockerd")),
    Attack("64-cores-where-the-limit-is-closed", "resources are not as", _limit("limits", "cpu", "64"), operator="closed"),
    Attack("no-memory-limit-where-it-is-closed", "resources are not as", lambda pod: daemon(pod)["resources"]["limits"].pop("memory"), operator="closed"),
    *(
        Attack(f"{resource}-{kind[:-1]}-of-{amount}-above-its-bound", "resources are not as", _limit(kind, resource, amount), operator="bounded")
        for kind, resource, amount in (
            ("requests", "cpu", "401m"), ("limits", "cpu", "4.000000001"),
            ("requests", "memory", "1073741825"), ("limits", "memory", "5Gi"),
            ("requests", "ephemeral-storage", "21Gi"), ("limits", "ephemeral-storage", "61Gi"),
        )
    ),
    *(
        # To kubelet, 0 is no limit.
        Attack(f"{resource}-of-0-where-there-is-a-bound", "resources are not as", _unlimited(resource), operator="bounded")
        for resource in ("cpu", "memory", "ephemeral-storage")
    ),
    Attack("no-memory-limit-where-there-is-a-bound", "resources are not as", lambda pod: daemon(pod)["resources"]["limits"].pop("memory"), operator="bounded"),
    Attack("storage-above-its-bound", "volume dind-run or dind-storage is not the one", _replace_volume("dind-storage", {"emptyDir": {"sizeLimit": "50.1Gi"}}), operator="bounded"),
    Attack("storage-without-a-size-where-there-is-a-bound", "volume dind-run or dind-storage is not the one", _replace_volume("dind-storage", {"emptyDir": {}}), operator="bounded"),
    Attack("storage-of-a-claim-above-its-bound", "volume dind-run or dind-storage is not the one", _claim_size("51Gi"), operator="bounded", options={"storage-medium": "Volume"}),
    Attack("a-device", "resources are not as", lambda pod: [_limit(kind, "example.com/gpu", "1")(pod) for kind in ("limits", "requests")]),
    Attack("a-device-by-claim", "resources are not as", lambda pod: (pod["spec"].update(resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}]), daemon(pod)["resources"].update(claims=[{"name": "gpu"}])), since=34),
    # Mounts and volumes
    Attack("the-nodes-root-in-the-daemon", "volume root: a hostPath", _mount({"hostPath": {"path": "/"}}, name="root", mountPath="/host")),
    Attack("the-nodes-root-by-our-volumes-name", "volume dind-run: a hostPath", _replace_volume("dind-run", {"hostPath": {"path": "/"}})),
    Attack("the-nodes-root-as-storage", "volume dind-storage: a hostPath", _replace_volume("dind-storage", {"hostPath": {"path": "/"}})),
    Attack("storage-on-a-claim", "is not the one", _replace_volume("dind-storage", {"persistentVolumeClaim": {"claimName": "c"}})),
    Attack("storage-in-memory-where-that-is-closed", "is not the one", _replace_volume("dind-storage", {"emptyDir": {"medium": "Memory"}})),
    Attack("storage-of-another-size-where-that-is-closed", "is not the one", _replace_volume("dind-storage", {"emptyDir": {"sizeLimit": "11Gi"}}), operator="closed"),
    Attack("storage-of-another-class", "is not the one", lambda pod: _storage_class(pod, "slow"), operator="volume"),
    Attack("storage-of-another-source", "is not the one", _claim(dataSource={**_SNAPSHOT, "name": "other"}), operator="golden"),
    Attack("storage-of-another-kind-of-source", "is not the one", _claim(dataSource={"kind": "PersistentVolumeClaim", "name": "docker-golden"}), operator="golden"),
    Attack("storage-of-another-group-of-source", "is not the one", _claim(dataSource={**_SNAPSHOT, "apiGroup": "example.com"}), operator="golden"),
    Attack("storage-of-another-namespace", "is not the one", _claim(dataSource=None, dataSourceRef={**_SNAPSHOT, "namespace": "other"}), operator="golden"),
    Attack("storage-without-its-source", "is not the one", _claim(dataSource=None), operator="golden"),
    Attack("storage-of-a-source-where-that-is-closed", "is not the one", _claim(dataSource=_SNAPSHOT), operator="volume"),
    Attack("no-storage", "is not the one", _remove_mount("dind-storage")),
    Attack("no-run-volume", "must mount volume dind-run once", _remove_mount("dind-run")),
    Attack("the-run-volume-twice", "must mount volume dind-run once", _mount(None, name="dind-run", mountPath="/usr/local/bin")),
    Attack("the-run-volume-elsewhere", "must mount volume dind-run once, at /run/dind", lambda pod: daemon(pod)["volumeMounts"][0].update(mountPath="/usr/local/bin")),
    Attack("the-run-volume-over-programs", "must mount volume dind-run once", lambda pod: daemon(pod)["volumeMounts"][0].update(mountPath="/usr/local/bin"), operator="everything"),
    Attack("the-run-volume-with-a-sub-path", "volumeMounts have volume dind-run", lambda pod: daemon(pod)["volumeMounts"][0].update(subPath="a")),
    Attack("the-storage-with-a-sub-path", "volumeMounts have volume dind-storage", lambda pod: daemon(pod)["volumeMounts"][1].update(subPath="a")),
    Attack("the-storage-a-second-time", "volumeMounts have volume dind-storage at /own", _mount(None, name="dind-storage", mountPath="/own")),
    Attack("propagation-to-the-node", "volumeMounts have volume own at /own", _mount(_EMPTY, name="own", mountPath="/own", mountPropagation="Bidirectional")),
    Attack("a-sub-path-of-a-variable", "volumeMounts have", _mount(_EMPTY, name="own", mountPath="/own", subPathExpr="$(A)")),
    Attack("a-secret-in-the-daemon", "volumeMounts have volume own at /own", _mount({"secret": {"secretName": "s"}}, name="own", mountPath="/own")),
    Attack("a-config-map-over-the-daemons-settings", "volumeMounts have", _mount({"configMap": {"name": "c"}}, name="own", mountPath="/etc/docker")),
    *(Attack(f"a-workspace-at-{path}", "volumeMounts have volume own at", _mount(_EMPTY, name="own", mountPath=path)) for path in ("/", "/usr", "/usr/local/bin", "/etc/docker/", "/var", "/var/lib/docker/x", "/run/x", "/var/run/docker", "//usr", "/work/../usr", "/./usr", "usr")),
    Attack("a-workspace-where-none-is-shared", "volumeMounts have volume own at", _mount(_EMPTY, name="own", mountPath="/own"), operator="seed"),
    Attack("a-workspace-that-the-operator-does-not-name", "volumeMounts have volume own at", _mount(_EMPTY, name="own", mountPath="/own"), operator="closed"),
    Attack("a-block-device", "does not set volumeDevices", lambda pod: (_replace_volume("none", {})(pod), pod["spec"]["volumes"].append({"name": "disk", "persistentVolumeClaim": {"claimName": "c"}}), daemon(pod).update(volumeDevices=[{"name": "disk", "devicePath": "/dev/x"}]))),
    Attack("other-nodes", "spec.nodeSelector must have example.com/pool: docker", lambda pod: pod["spec"]["nodeSelector"].update({"example.com/pool": "general"}), operator="volume"),
    Attack("any-nodes", "spec.nodeSelector must have example.com/pool: docker", lambda pod: pod["spec"].pop("nodeSelector"), operator="volume"),
    Attack("a-file-that-is-no-option", "volume dind-files", _mount({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}, name="dind-files", mountPath="/etc/docker", readOnly=True), operator="everything"),
    Attack("files-where-pods-may-set-none", "volumeMounts have volume dind-files at /etc/docker", _mount({"projected": {"sources": []}}, name="dind-files", mountPath="/etc/docker", readOnly=True)),
    Attack("files-elsewhere", "volumeMounts have volume dind-files at /etc", _mount({"projected": {"sources": []}}, name="dind-files", mountPath="/etc", readOnly=True), operator="everything"),
    Attack("other-files-than-the-operators", "volume dind-files: it has other files", lambda pod: next(one for one in pod["spec"]["volumes"] if one["name"] == "dind-files")["projected"]["sources"][0]["configMap"].update(name="own"), operator="closed"),
    Attack("without-the-operators-files", "volume dind-files: it has other files", _remove_mount("dind-files"), operator="closed"),
    Attack("another-ca", "volume dind-ca: it is not", _replace_volume("dind-ca", {"configMap": {"name": "own"}}), operator="closed"),
    Attack("without-the-ca", "container dind: env", _remove_mount("dind-ca"), operator="closed"),
    Attack("a-ca-of-another-kind", "volume dind-ca: it is not", _replace_volume("dind-ca", {"emptyDir": {}}), options={"ca": "own"}),
    Attack("other-directories-of-cas", "container dind: env", _set(env=[{"name": "SSL_CERT_DIR", "value": "/work"}]), options={"ca": "own"}),
    Attack("the-client-from-a-claim", "volumeMounts have volume dind-client at", _replace_volume("dind-client", {"persistentVolumeClaim": {"claimName": "own"}}), options={"client": "true"}),
    Attack("the-client-over-programs", "volumeMounts have volume dind-client at /usr/local/bin", _change_own_mount("dind-client", mountPath="/usr/local/bin"), options={"client": "true"}),
    Attack("the-clients-image-over-programs", "volumeMounts have volume dind-client-image at /usr/local/bin", _change_own_mount("dind-client-image", mountPath="/usr/local/bin"), options={"client": "true"}, since=35),
    Attack("a-client-where-pods-may-have-none", "volumeMounts have volume dind-client at", _mount(_EMPTY, name="dind-client", mountPath="/usr/local/libexec/dind/client"), operator="closed"),
    Attack("another-proxy", "container dind: env", _set_variable("HTTP_PROXY", "http://own:3128"), operator="closed"),
    Attack("without-the-proxy", "container dind: env", _set_variable("HTTP_PROXY", None), operator="closed"),
    Attack("fewer-hosts-without-a-proxy", "container dind: env", _set_variable("NO_PROXY", "localhost"), operator="closed"),
    Attack("another-configuration-of-clients", "container dind: env", _set_variable("DIND_CLIENT_CONFIG", "{}"), operator="closed"),
    Attack("a-configuration-of-clients-without-a-proxy", "container dind: env", _set(env=[{"name": "DIND_CLIENT_CONFIG", "value": "{}"}])),
    Attack("any-configuration-of-clients", "container dind: env", _set_variable("DIND_CLIENT_CONFIG", '{"credsStore":"own"}'), operator="everything", options={"proxy": "http://proxy:3128"}),
    Attack("a-proxy-where-pods-may-set-none", "container dind: env", _set(env=[{"name": "HTTP_PROXY", "value": "http://own:3128"}])),
    Attack("directories-of-cas-without-a-ca", "container dind: env", _set(env=[{"name": "SSL_CERT_DIR", "value": "/etc/ssl/certs:/etc/ssl/dind"}])),
    # Status and placement
    Attack("no-status", "must not set securityContext.privileged", _status(None)),
    Attack("a-status-of-the-other-mode", "annotation dind.io/status", _status('{"mode":"daemonset","version":"0.1.0"}')),
    Attack("a-status-with-more", "annotation dind.io/status: only", _status('{"mode":"sidecar","version":"0.1.0","x":1}')),
    Attack("a-status-without-a-daemon", "container dind", lambda pod: pod["spec"].update(initContainers=[])),
    Attack("another-placement-where-that-is-closed", "annotation dind.io/status: it says", _moved, operator="closed"),
    Attack("a-label-does-not-help", "must not set securityContext.privileged", _label_instead),
    # Other containers
    Attack("a-second-privileged-container", "container build: must not set securityContext.privileged", _own(securityContext={"privileged": True})),
    Attack("a-privileged-init-container", "container own: must not set securityContext.privileged", _init(securityContext={"privileged": True})),
    Attack("a-privileged-native-sidecar", "container own: must not set securityContext.privileged", _init(restartPolicy="Always", securityContext={"privileged": True})),
    Attack("a-privileged-wait-container", "container dind-wait: must not set", lambda pod: pod["spec"]["initContainers"][0].update(securityContext={"privileged": True}), mode="daemonset"),
    Attack("a-privileged-dind-in-daemonset-mode", "container dind: must not set", lambda pod: pod["spec"]["containers"].append({"name": "dind", "image": "own", "securityContext": {"privileged": True}}), mode="daemonset"),
    Attack("another-name-for-the-daemon", "annotation dind.io/status: it says", lambda pod: daemon(pod).update(name="docker")),
    Attack("another-name-and-no-status", "container docker: must not set", lambda pod: (daemon(pod).update(name="docker"), _status(None)(pod))),
    Attack("capabilities-of-a-mesh", "container own: must not add capabilities", _init(securityContext={"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}})),
    Attack("the-nodes-network", "hostNetwork", lambda pod: pod["spec"].update(hostNetwork=True)),
    Attack("the-nodes-processes", "hostPID", lambda pod: pod["spec"].update(hostPID=True)),
    Attack("a-host-path-of-its-own", "volume root: a hostPath", lambda pod: pod["spec"]["volumes"].append({"name": "root", "hostPath": {"path": "/"}})),
    # daemonset mode
    Attack("another-directory-of-the-node", "volume dind-run: a hostPath", _replace_volume("dind-run", {"hostPath": {"path": "/var/run", "type": "Directory"}}), mode="daemonset"),
    Attack("another-type-of-the-nodes-directory", "volume dind-run: a hostPath", lambda pod: next(one for one in pod["spec"]["volumes"] if one["name"] == "dind-run")["hostPath"].update(type="DirectoryOrCreate"), mode="daemonset"),
    Attack("a-file-below-the-nodes-directory", "volume dind-run: containers must mount it", _change_mounts("dind-run", subPath="x"), mode="daemonset"),
    Attack("the-nodes-directory-without-being-injected", "volume dind-run: a hostPath", _status(None), mode="daemonset"),
    Attack("a-status-without-the-nodes-directory", "has no hostPath volume dind-run", _replace_volume("dind-run", _EMPTY), mode="daemonset"),
]  # fmt: skip


def _storage_class(pod: Manifest, name: str) -> None:
    (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == "dind-storage"]
    volume["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"] = name


# Pod Security `baseline` of Kubernetes 1.37: members of a container, and whether the policy refuses them
def _context(**members: Any) -> Manifest:
    return {"securityContext": members}


_GET = {"httpGet": {"port": 80}}
_GET_ELSEWHERE = {"httpGet": {"port": 80, "host": "192.0.2.1"}}
_CONNECT_ELSEWHERE = {"tcpSocket": {"port": 80, "host": "192.0.2.1"}}
_DEFAULT_CAPABILITIES = [
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
]  # fmt: skip
_CONTEXTS: dict[str, tuple[Manifest, bool]] = {
    "selinux-type": ({"seLinuxOptions": {"type": "spc_t"}}, True),
    "selinux-user": ({"seLinuxOptions": {"user": "system_u"}}, True),
    "selinux-role": ({"seLinuxOptions": {"role": "system_r"}}, True),
    "selinux-level": ({"seLinuxOptions": {"level": "s0:c1,c2"}}, False),
    **{
        f"selinux-{name}": ({"seLinuxOptions": {"type": name}}, False)
        for name in ("container_t", "container_init_t", "container_kvm_t", "container_engine_t")
    },
    "seccomp-unconfined": ({"seccompProfile": {"type": "Unconfined"}}, True),
    "seccomp-runtime-default": ({"seccompProfile": {"type": "RuntimeDefault"}}, False),
    "seccomp-localhost": ({"seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}}, False),
    "apparmor-unconfined": ({"appArmorProfile": {"type": "Unconfined"}}, True),
    "apparmor-runtime-default": ({"appArmorProfile": {"type": "RuntimeDefault"}}, False),
    "apparmor-localhost": ({"appArmorProfile": {"type": "Localhost", "localhostProfile": "a"}}, False),
    "host-process": ({"windowsOptions": {"hostProcess": True}}, True),
}
# For every kind of container
OF_CONTAINERS: dict[str, tuple[Manifest, bool]] = {
    "privileged": (_context(privileged=True), True),
    "not-privileged": (_context(privileged=False), False),
    "all-capabilities": (_context(capabilities={"add": ["ALL"]}), True),
    "net-admin": (_context(capabilities={"add": ["CHOWN", "NET_ADMIN"]}), True),
    "default-capabilities": (_context(capabilities={"add": _DEFAULT_CAPABILITIES, "drop": ["NET_RAW"]}), False),
    "proc-mount-default": (_context(procMount="Default"), False),
    **{name: (_context(**members), refused) for name, (members, refused) in _CONTEXTS.items()},
}
# Refused if the API server knows the member; older API servers drop it
UNMASKED = _context(procMount="Unmasked")
# For ordinary containers only
OF_ORDINARY_CONTAINERS: dict[str, tuple[Manifest, bool]] = {
    "host-port": ({"ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 81}]}, True),
    "port": ({"ports": [{"containerPort": 80}]}, False),
    **{
        f"{probe}-{name}": ({probe: action}, action is not _GET)
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        for name, action in {
            "get": _GET,
            "get-elsewhere": _GET_ELSEWHERE,
            "connect-elsewhere": _CONNECT_ELSEWHERE,
        }.items()
    },
    **{
        f"{hook}-{name}": ({"lifecycle": {hook: action}}, action is not _GET)
        for hook in ("postStart", "preStop")
        for name, action in {
            "get": _GET,
            "get-elsewhere": _GET_ELSEWHERE,
            "connect-elsewhere": _CONNECT_ELSEWHERE,
        }.items()
    },
}
# For the pod itself
OF_PODS: dict[str, tuple[Manifest, bool]] = {
    "host-network": ({"hostNetwork": True}, True),
    "host-pid": ({"hostPID": True}, True),
    "host-ipc": ({"hostIPC": True}, True),
    "user-namespace-with-unmasked-proc": ({"hostUsers": False, "containers": [build(**UNMASKED)]}, False),
    **{
        f"sysctl-{name}": (_context(sysctls=[{"name": name, "value": "1"}]), name.startswith("kernel.msg"))
        for name in (
            "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
            "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
            "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat", "kernel.msgmax",
        )
    },
    **{name: (_context(**members), refused) for name, (members, refused) in _CONTEXTS.items()},
}  # fmt: skip
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/build"
ANNOTATIONS = {"unconfined": True, "runtime/default": False, "localhost/a": False}
