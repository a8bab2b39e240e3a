"""The values of the chart: their schema, defaults and comments, and the errors for wrong values."""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm import CHART, CUSTOM, HELMS, NAMESPACE, SCENARIOS, refusal, render, template
from kubernetes_validate.utils import schema_contents
from pydantic import ValidationError
from readme import open_settings, readme

from dind_webhook.injection import OPTIONS
from dind_webhook.settings import InjectionSettings

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
# A condition of umbrella charts; this chart does not use it
HELMS_OWN = {"enabled"}
# A parent chart shares all its globals.
OPEN = {".global", ".global.image"}
SCHEMA = json.loads((CHART / "values.schema.json").read_text())

ISSUER_OF_NO_NAME = {"issuerRef": {"kind": "ClusterIssuer"}}
_INSECURE = ["--insecure-registry=m.example"]
WRONG_DEFAULTS: list[tuple[str, Any]] = [
    *(
        (
            f"settings.injection.max.{name} is {bound}, but its default is {default}:",
            {"defaults": {name: default}, "max": {name: bound}},
        )
        for name, default, bound in [
            ("cpu-limit", "4", "3500m"),
            ("cpu-limit", 1.5, 1.25),
            ("memory-limit", "8Gi", "8G"),
            ("memory-limit", "8.5e9", "8000M"),
            ("storage-size", "1Ti", "1000Gi"),
        ]
    ),
    (
        "settings.injection.defaults.storage-data-source needs a volume at /var/lib/docker: set settings.injection.",
        {"defaults": {"storage-data-source": "pvc/a"}, "storage": False},
    ),
    (
        "settings.injection.namespaces[0].defaults.storage-data-source cannot be combined with defaults.storage-medium",
        {"namespaces": [{"names": ["a"], "defaults": {"storage-data-source": "pvc/a", "storage-medium": "Memory"}}]},
    ),
    ("settings.injection.max.cpu-limit is 1, but its default is 2:", {"max": {"cpu-limit": 1}}),
    *(
        (
            f"settings.injection.max.{name} is 1Ti, but its default is unset, which is no limit: set ",
            {"defaults": {name: default}, "max": {name: "1Ti"}},
        )
        for name, default in [("memory-limit", "none"), ("memory-limit", None), ("storage-size", "")]
    ),
    (
        "settings.injection.namespaces[1].max.memory-limit is 4Gi, but its default is 8Gi:",
        {
            "defaults": {"memory-limit": "8Gi"},
            "namespaces": [{"names": ["a"]}, {"names": ["b-*"], "max": {"memory-limit": "4Gi"}}],
        },
    ),
    (
        "settings.injection.namespaces[0].max.memory-limit is 4Gi, but its default is 8Gi:",
        {"max": {"memory-limit": "4Gi"}, "namespaces": [{"names": ["a"], "defaults": {"memory-limit": "8Gi"}}]},
    ),
    (
        "settings.injection.defaults.memory-request is 512Mi, more than memory-limit, 256Mi:",
        {"defaults": {"memory-limit": "256Mi"}},
    ),
    (
        "settings.injection.namespaces[0].defaults.cpu-request is 3, more than cpu-limit, 2:",
        {"namespaces": [{"names": ["a"], "defaults": {"cpu-request": 3}}]},
    ),
    (
        "settings.injection.defaults.proxy has a name or password, which",
        {"defaults": {"proxy": "http://user:password@proxy.example:3128"}},
    ),
    (
        'settings.injection.defaults.registry-mirrors has two mirrors of "docker.io"; a registry has one',
        {"defaults": {"registry-mirrors": ["https://a.example", "DOCKER.io=none"]}},
    ),
    (
        "settings.injection.defaults.registry-mirrors has 17 items; at most 16 are accepted",
        {"defaults": {"registry-mirrors": [f"m{number}.example=none" for number in range(17)]}},
    ),
    (
        'settings.injection.namespaces[0].defaults.registry-mirrors has two mirrors of "*"; a registry has one',
        {"namespaces": [{"names": ["a"], "defaults": {"registry-mirrors": "*=http://a, *=http://b, *=http://c"}}]},
    ),
]
RIGHT_DEFAULTS: list[Any] = [
    *(
        {"defaults": {name: default}, "max": {name: bound}}
        for name, default, bound in [
            ("cpu-limit", "700m", 0.7),
            ("cpu-limit", "1000000001n", "1.000000001"),
            ("memory-limit", "1.1G", "1100M"),
            ("memory-limit", 34359738368, "32Gi"),
            ("memory-limit", "8e9", "8G"),
            ("memory-limit", "8G", "8e+09"),
            ("storage-size", "1E", "1Ei"),
            ("storage-size", "1024Gi", "1.Ti"),
            ("memory-limit", "none", ""),
        ]
    ),
    {"max": {"memory-limit": "4Gi"}, "namespaces": [{"names": ["a"], "max": {"memory-limit": ""}}]},
    {"defaults": {"cpu-limit": "none", "cpu-request": 64, "memory-request": ""}},
    {"defaults": {"proxy": "http://proxy.example:3128/", "ca": "a.b", "registry-secret": "c", "storage-class": ""}},
    {"defaults": {"storage-data-source": "volumesnapshot/docker-golden"}},
    {"defaults": {"registry-mirrors": "https://a.example,*=node:5000"}},
    {"image_pull_secrets": ["a", "a" * 63 + ".b"], "runtime_classes": {"kata": "kata.v1"}},
]
CONTRADICTIONS: list[tuple[str, Any]] = [
    *((sentence, {"settings": {"injection": injection}}) for sentence, injection in WRONG_DEFAULTS),
    ("image.tag is empty", {"image": {"tag": ""}}),
    ("dindImage.tag is empty", {"dindImage": {"tag": ""}}),
    ("settings.injection.defaults.image", {"settings": {"injection": {"defaults": {"image": "docker"}}}}),
    ("replicas is 0", {"replicas": 0}),
    ("autoscaling.maxReplicas is 1", {"autoscaling": {"enabled": True, "maxReplicas": 1}}),
    ("podDisruptionBudget.minAvailable and", {"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}}),
    ("podDisruptionBudget.minAvailable is 2, of 2 replicas", {"podDisruptionBudget": {"minAvailable": 2}}),
    ("containerPort is 10250, which is kubelet's", {"hostNetwork": True}),
    *(
        (f"podDisruptionBudget.{member} is {value}", {"podDisruptionBudget": {member: value}})
        for member, value in [
            ("minAvailable", "51%"),
            ("minAvailable", "100%"),
            ("maxUnavailable", 0),
            ("maxUnavailable", "0%"),
        ]
    ),
    ('would be "1st", which is not a valid name of a Service', {"fullnameOverride": "1st"}),
    ("healthPort is 10250, which is", {"hostNetwork": True, "containerPort": 8443, "healthPort": 10250}),
    ("containerPort and healthPort are both 8443", {"containerPort": 8443, "healthPort": 8443}),
    ("tls.selfManaged.port is 8080", {"tls": {"selfManaged": {"port": 8080}}}),
    ("tls.existingSecret.name is set", {"tls": {"existingSecret": {"name": "own"}}}),
    ("tls.existingSecret.name is set", {"tls": {"mode": "certManager", "existingSecret": {"name": "own"}}}),
    ("tls.existingSecret.caBundle is set", {"tls": {"existingSecret": {"caBundle": "-----BEGIN CERTIFICATE-----"}}}),
    ("tls.certManager.issuerRef is set", {"tls": {"certManager": {"issuerRef": {"name": "i"}}}}),
    ("tls.certManager.issuerRef.name is empty", {"tls": {"mode": "certManager", "certManager": ISSUER_OF_NO_NAME}}),
    ("tls.selfManaged.leafLife is 500ms", {"tls": {"selfManaged": {"leafLife": "500ms"}}}),
    ("tls.selfManaged.resync is 0s", {"tls": {"selfManaged": {"resync": "0s"}}}),
    ("tls.selfManaged.caLife is 89d23h, less", {"tls": {"selfManaged": {"caLife": "89d23h"}}}),
    (
        "tls.certManager.renewBefore is 2160h",
        {"tls": {"mode": "certManager", "certManager": {"renewBefore": "2160h"}}},
    ),
    ("tls.certManager.caDuration is 90h", {"tls": {"mode": "certManager", "certManager": {"caDuration": "90h"}}}),
    ("tls.existingSecret.name is empty", {"tls": {"mode": "existingSecret"}}),
    ("tls.existingSecret.caBundle is empty", {"tls": {"mode": "existingSecret", "existingSecret": {"name": "own"}}}),
    (
        "tls.existingSecret.caBundle is empty",
        {
            "tls": {"mode": "existingSecret", "existingSecret": {"name": "own"}},
            "webhook": {"annotations": {"admissions.enforcer/disabled": "true"}},
        },
    ),
    ("caBundle is not PEM", {"tls": {"mode": "existingSecret", "existingSecret": {"name": "own", "caBundle": "LS0t"}}}),
    ("tls.clientCA.names is set", {"tls": {"clientCA": {"names": ["kube-apiserver"]}}}),
    ("serviceAccount.create is off", {"serviceAccount": {"create": False}}),
    ("policy.validationActions has Deny and Warn", {"policy": {"validationActions": ["Deny", "Warn"]}}),
    ("policy.strict is on, but policy.enabled is off", {"policy": {"strict": True, "enabled": False}}),
    (
        "policy.strict is on, but policy.validationActions has no Deny",
        {"policy": {"strict": True, "validationActions": ["Warn", "Audit"]}},
    ),
    *(
        (
            f"policy.strict is on, and settings.injection.{name} too",
            {"policy": {"strict": True}, "settings": {"injection": {name: True}}},
        )
        for name in ("allow_host_network", "allow_host_pid", "allow_host_ipc")
    ),
    ("metrics.serviceMonitor.enabled is on", {"metrics": {"serviceMonitor": {"enabled": True}}}),
    (
        "daemonset.enabled is on",
        {"daemonset": {"enabled": True}, "settings": {"injection": {"modes": ["sidecar"]}}},
    ),
    *(
        (f"{prefix}dnsPolicy is None, but {prefix}dnsConfig has no nameservers", values)
        for prefix, values in [
            ("", {"dnsPolicy": "None", "dnsConfig": {"searches": ["example.com"]}}),
            ("daemonset.", {"daemonset": {"dnsPolicy": "None"}}),
        ]
    ),
    ("daemonset.metrics.enabled is on, but daemonset.enabled is off", {"daemonset": {"metrics": {"enabled": True}}}),
    (
        "daemonset.metrics.podMonitor.enabled is on, but daemonset.metrics.enabled is off",
        {"daemonset": {"enabled": True, "metrics": {"podMonitor": {"enabled": True}}}},
    ),
    (
        "daemonset.extraArgs has --metrics-addr, which the chart determines: set daemonset.metrics.port instead",
        {
            "daemonset": {
                "enabled": True,
                "metrics": {"enabled": True},
                "extraArgs": ["--metrics-addr=0.0.0.0:9999"],
            }
        },
    ),
    ("daemonset.gc.lowPercent is 90", {"daemonset": {"gc": {"lowPercent": 90}}}),
    ("daemonset.storage.hostPath is set", {"daemonset": {"storage": {"type": "emptyDir", "hostPath": "/data"}}}),
    ("daemonset.storage.sizeLimit is set", {"daemonset": {"storage": {"sizeLimit": "10Gi"}}}),
    (
        "daemonset.hostPath is /var/run, which is the node's own",
        {"daemonset": {"enabled": True, "hostPath": "/var/run"}},
    ),
    (
        "daemonset.storage.hostPath is /var/lib/docker",
        {"daemonset": {"enabled": True, "storage": {"hostPath": "/var/lib/docker"}}},
    ),
    *(
        (f"{inner}, which is in", {"daemonset": {"enabled": True, "hostPath": run, "storage": {"hostPath": storage}}})
        for inner, run, storage in [
            ("daemonset.storage.hostPath is /run/d/images", "/var/run/d", "/run/d/images"),
            ("daemonset.hostPath is /data/run", "/data/run", "/data"),
            ("daemonset.hostPath is /data", "/data", "/data"),
        ]
    ),
    *(
        (
            f"daemonset.extraArgs has {flag}, which the chart determines: {remedy}",
            {"daemonset": {"extraArgs": ["--debug", argument]}},
        )
        for flag, argument, remedy in [
            ("--group", "--group=1000", "set settings.injection.defaults.group instead"),
            ("-G", "-G1000", "set settings.injection.defaults.group instead"),
            ("--data-root", "--data-root=/data", "set daemonset.storage instead"),
            ("--exec-root", "--exec-root=/data", "remove it"),
            ("--pidfile", "--pidfile=/data/pid", "remove it"),
            ("-p", "-p=/data/pid", "remove it"),
            ("--cgroup-parent", "--cgroup-parent=/a", "remove it"),
        ]
    ),
    *(
        (f"daemonset.config has {name}, which the chart determines: {remedy}", {"daemonset": {"config": {name: value}}})
        for name, value, remedy in [
            ("hosts", ["unix:///a"], "add --host to daemonset.extraArgs instead"),
            ("group", "docker", "set settings.injection.defaults.group instead"),
            ("data-root", "/a", "set daemonset.storage instead"),
            ("exec-root", "/a", "remove it"),
            ("pidfile", "/a", "remove it"),
            ("cgroup-parent", "/a", "remove it"),
        ]
    ),
    (
        "daemonset.config has metrics-addr, which the chart determines: set daemonset.metrics.port instead",
        {
            "daemonset": {
                "enabled": True,
                "metrics": {"enabled": True},
                "config": {"metrics-addr": "0.0.0.0:9999"},
            }
        },
    ),
    *(
        (
            f"daemonset.extraArgs has {flag} with port 9323, which is daemonset.metrics.port too",
            {"daemonset": {"enabled": True, "metrics": {"enabled": True}, "extraArgs": arguments}},
        )
        for flag, arguments in [
            ("--host", ["--host=tcp://0.0.0.0:9323"]),
            ("--host", ["--tls=false", "--host=tcp://[::]:9323"]),
            ("-H", ["-H:9323"]),
        ]
    ),
    *(
        (
            f"daemonset.extraArgs has the mirror {mirror}, which is an insecure registry too",
            {"daemonset": {"extraArgs": [f"--registry-mirror={mirror}", "--insecure-registry=m.example:5000"]}},
        )
        for mirror in (
            "http://m.example:5000",
            "https://m.example:5000/proxy",
            "http://localhost:5000",
            "http://LOCALHOST:5000",
            "http://mirror.localhost:5000",
            "http://127.1.2.3",
            "http://[::1]:5000",
            "http://[0:0::1]",
            "http://[::ffff:127.0.0.1]:5000",
        )
    ),
    *(
        (
            f"daemonset.config has the mirror {mirror}, which {verb} an insecure registry too, by {network}:",
            {"daemonset": {"config": {"registry-mirrors": [mirror], "insecure-registries": ["a.example", network]}}},
        )
        for mirror, verb, network in [
            ("http://10.1.1.1:5000", "is", "10.0.0.0/8"),
            ("https://192.0.2.129", "is", "192.0.2.128/25"),
            ("https://192.0.2.1/proxy", "is", "0.0.0.0/0"),
            ("http://[fd00::1]:5000", "may be", "fd00::/8"),
            ("http://[::ffff:10.1.1.1]:5000", "may be", "10.0.0.0/8"),
            ("http://10.1.1.1:5000", "may be", "::ffff:10.0.0.0/104"),
        ]
    ),
    (
        "daemonset.extraArgs has the mirror http://10.1.1.1, which is an insecure registry too, by 10.0.0.0/8:",
        {"daemonset": {"extraArgs": ["--registry-mirror=http://10.1.1.1", "--insecure-registry=10.0.0.0/8"]}},
    ),
    (
        "daemonset.config has the mirror https://m.example, which is an insecure registry too",
        {"daemonset": {"config": {"registry-mirrors": ["https://m.example"]}, "extraArgs": _INSECURE}},
    ),
    (
        "daemonset.config has the mirror http://localhost, which is an insecure registry too",
        {"daemonset": {"config": {"registry-mirrors": ["http://localhost"]}}},
    ),
    (
        "settings.injection.defaults.registry-mirrors has the mirror https://m.example, which is an insecure registry",
        {
            "daemonset": {"enabled": True, "extraArgs": _INSECURE},
            "settings": {"injection": {"defaults": {"registry-mirrors": ["https://m.example"]}}},
        },
    ),
    (
        "daemonset.extraArgs has the mirror https://m.example, which is an insecure registry too",
        {
            "daemonset": {
                "config": {"insecure-registries": ["m.example"]},
                "extraArgs": ["--registry-mirror=https://m.example"],
            }
        },
    ),
    *(
        (
            f"daemonset.config has {name}, but daemonset.extraArgs has {flag}, and dockerd refuses",
            {"daemonset": {"config": config, "extraArgs": arguments}},
        )
        for name, flag, config, arguments in [
            ("mtu", "--mtu", {"mtu": 1450}, ["--mtu=1400"]),
            ("labels", "--label", {"labels": ["a=b"]}, ["--label=c=d"]),
            ("insecure-registries", "--insecure-registry", {"insecure-registries": ["a"]}, _INSECURE),
            ("debug", "-D", {"debug": True}, ["-D"]),
            ("debug", "-D", {"debug": True}, ["-Dl=debug"]),
            ("log-level", "-l", {"log-level": "info"}, ["-Dl=debug"]),
            ("log-level", "-l", {"log-level": "info"}, ["-ldebug"]),
            ("bridge", "-b", {"bridge": "none"}, ["-b=none"]),
            ("storage-driver", "-s", {"storage-driver": "vfs"}, ["-s=vfs"]),
            (
                "proxies.http-proxy",
                "--http-proxy",
                {"proxies": {"http-proxy": "http://a.example"}},
                ["--http-proxy=http://b.example"],
            ),
        ]
    ),
    (
        "daemonset.extraArgs has --config-file, and daemonset.config is set too",
        {"daemonset": {"config": {"debug": True}, "extraArgs": ["--config-file=/a"]}},
    ),
    (
        "daemonset.updateStrategy.rollingUpdate.maxSurge is 1",
        {"daemonset": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
    ),
    *(
        (
            f"certificateDays is {days}, but a certificate is renewed only",
            {"metrics": {"prometheusRule": {"enabled": True, "certificateDays": days}}, "tls": tls},
        )
        for days, tls in [
            (5, {"selfManaged": {"leafLife": "7d"}}),
            (31, {"mode": "certManager"}),
        ]
    ),
    ("test.namespace is kube-system", {"test": {"namespace": "kube-system"}}),
    (f"test.namespace is {NAMESPACE}", {"test": {"namespace": NAMESPACE}}),
    ("daemonset.updateStrategy.rollingUpdate", {"daemonset": {"updateStrategy": {"rollingUpdate": {"maxSurge": 0}}}}),
]

OUT_OF_SCHEMA = [
    ("replicaCount", {"replicaCount": 2}),
    ("failurepolicy", {"webhook": {"failurepolicy": "Fail"}}),
    ("/webhook/failurePolicy", {"webhook": {"failurePolicy": "fail"}}),
    ("/webhook/timeoutSeconds", {"webhook": {"timeoutSeconds": 31}}),
    ("/webhook/url", {"webhook": {"url": "http://dind.example"}}),
    ("/webhook/url", {"webhook": {"url": "https://dind.example/mutate"}}),
    ("/webhook/url", {"webhook": {"url": "https://:8443"}}),
    ("/fullnameOverride", {"fullnameOverride": "r" * 51}),
    ("/replicas", {"replicas": "two"}),
    ("/replicas", {"replicas": -1}),
    ("/hostNetwork", {"hostNetwork": "yes"}),
    ("/containerPort", {"containerPort": 70000}),
    ("/image/repository", {"image": {"repository": "dind-webhook:1"}}),
    ("/image/digest", {"image": {"digest": "latest"}}),
    *(
        ("/policy/advisory/validationActions", {"policy": {"advisory": {"validationActions": actions}}})
        for actions in (["Deny"], ["Warn", "Deny"], [], ["Warn", "Warn"])
    ),
    ("/policy/advisory", {"policy": {"advisory": {"enable": True}}}),
    ("/tls/mode", {"tls": {"mode": "vault"}}),
    ("/podLabels/a", {"podLabels": {"a": 1}}),
    ("/imagePullSecrets/0", {"imagePullSecrets": ["registry"]}),
    ("/resources", {"resources": {"request": {"cpu": "1"}}}),
    ("/resources/limits/memory", {"resources": {"limits": {"memory": "much"}}}),
    ("/livenessProbe", {"livenessProbe": {"httpGet": {"path": "/"}}}),
    ("/tls/selfManaged/startupProbe/periodSeconds", {"tls": {"selfManaged": {"startupProbe": {"periodSeconds": 0}}}}),
    ("/podSecurityContext/runAsUser", {"podSecurityContext": {"runAsUser": "nobody"}}),
    ("/podSecurityContext", {"podSecurityContext": {"runAsuser": 1000}}),
    ("/podSecurityContext/seccompProfile/type", {"podSecurityContext": {"seccompProfile": {"type": "default"}}}),
    ("/containerSecurityContext/privileged", {"containerSecurityContext": {"privileged": "no"}}),
    ("/containerSecurityContext/capabilities/drop", {"containerSecurityContext": {"capabilities": {"drop": "ALL"}}}),
    ("/tolerations/0", {"tolerations": [{"keys": "a"}]}),
    ("/strategy/rollingUpdate/maxSurge", {"strategy": {"rollingUpdate": {"maxSurge": "some"}}}),
    ("/dnsConfig", {"dnsConfig": {"nameserver": ["192.0.2.1"]}}),
    ("/hostAliases/0", {"hostAliases": [{"ip": "192.0.2.1", "hostname": "a.example"}]}),
    ("/daemonset/hostAliases/0", {"daemonset": {"hostAliases": [{"hostnames": ["a.example"]}]}}),
    ("/daemonset/dnsPolicy", {"daemonset": {"dnsPolicy": "none"}}),
    ("/daemonset/metrics/port", {"daemonset": {"metrics": {"port": 0}}}),
    ("/metrics/serviceMonitor/namespace", {"metrics": {"serviceMonitor": {"namespace": "Monitoring"}}}),
    ("/global/imageRegistry", {"global": {"imageRegistry": "registry.example/"}}),
    ("/global/imagePullSecrets/0", {"global": {"imagePullSecrets": [{"secret": "a"}]}}),
    *(
        (f"/settings/injection/defaults/{name}", {"settings": {"injection": {"defaults": {name: value}}}})
        for name, value in [
            ("group", "docker"),
            ("memory-limit", "much"),
            ("wait", "yes"),
            ("placement", "first"),
            ("image", ""),
            ("registry-mirrors", [5000]),
            ("proxy", "proxy.example:3128"),
            ("proxy", "http://proxy.example/path"),
            ("ca", "Corporate_CA"),
            ("registry-secret", "pull-"),
            ("storage-class", "Fast"),
            ("storage-data-source", "docker-golden"),
            ("storage-data-source", "other/pvc/golden"),
            ("storage-data-source", "volumesnapshot/"),
        ]
    ),
    *(
        (f"/settings/injection/image_pull_secrets/{index}", {"settings": {"injection": {"image_pull_secrets": names}}})
        for index, names in [(0, ["Registry"]), (1, ["a", "b_c"]), (0, ["a" * 64])]
    ),
    ("/settings/injection/runtime_classes/kata", {"settings": {"injection": {"runtime_classes": {"kata": "Kata"}}}}),
    *(
        (f"{place}/tolerations/0{member}", values)
        for member, toleration in [
            ("/value", {"key": "ci", "operator": "Exists", "value": "true"}),
            ("", {"effect": "NoSchedule"}),
            ("/operator", {"key": "", "operator": "Equal"}),
            ("/effect", {"key": "ci", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}),
            ("", {"key": "ci", "operator": "Exists", "tolerationSeconds": 5}),
        ]
        for place, values in [
            ("", {"tolerations": [toleration]}),
            ("/settings/injection", {"settings": {"injection": {"tolerations": [toleration]}}}),
        ]
    ),
    ("/settings/injection", {"settings": {"injection": {"host_path": "/run"}}}),
    ("/settings/injection/modes/0", {"settings": {"injection": {"modes": ["side"]}}}),
    ("/settings/injection/defaults", {"settings": {"injection": {"defaults": {"memory": "1Gi"}}}}),
    ("/settings/injection/max", {"settings": {"injection": {"max": {"mtu": 1500}}}}),
    ("/settings/injection/max/cpu-limit", {"settings": {"injection": {"max": {"cpu-limit": "none"}}}}),
    ("/settings/server", {"settings": {"server": {"port": 443}}}),
    ("/daemonset/hostPath", {"daemonset": {"hostPath": "run/dind"}}),
    ("/daemonset/hostPath", {"daemonset": {"hostPath": "/run/dind/.."}}),
    ("/service/loadBalancerSourceRanges/0", {"service": {"loadBalancerSourceRanges": ["192.0.2.1"]}}),
    ("/daemonset/updateStrategy/type", {"daemonset": {"updateStrategy": {"type": "Recreate"}}}),
]


each_helm = pytest.mark.parametrize("name", HELMS)


@each_helm
@pytest.mark.parametrize(("sentence", "values"), CONTRADICTIONS, ids=[row[0] for row in CONTRADICTIONS])
def test_values_that_contradict_each_other_do_not_render(sentence: str, values: Any, name: str) -> None:
    assert sentence in refusal(values, name)


def test_all_contradictions_are_told_at_once() -> None:
    message = refusal({"replicas": 0, "hostNetwork": True})
    assert "replicas is 0" in message
    assert "hostNetwork is on" in message


@each_helm
@pytest.mark.parametrize(
    ("place", "values"), OUT_OF_SCHEMA, ids=[f"{row[0]}-{i}" for i, row in enumerate(OUT_OF_SCHEMA)]
)
def test_unknown_keys_and_wrong_types_do_not_render(place: str, values: Any, name: str) -> None:
    assert place in refusal(values, name)


def test_a_tool_that_writes_the_bundle_is_named_by_its_annotation() -> None:
    tool = {"cert-manager.io/inject-ca-from-secret": "docker-system/own"}
    render({"tls": {"mode": "existingSecret", "existingSecret": {"name": "own"}}, "webhook": {"annotations": tool}})


@pytest.mark.parametrize(
    "values",
    [
        {"podDisruptionBudget": {"minAvailable": "50%"}},
        {"podDisruptionBudget": {"minAvailable": 0}},
        {"podDisruptionBudget": {"maxUnavailable": "1%"}},
        {"podDisruptionBudget": {"enabled": False, "maxUnavailable": 0}},
        {"tls": {"selfManaged": {"leafLife": "12h30m", "caLife": "37h30m"}}},
        {"tls": {"mode": "certManager", "certManager": {"issuerRef": {"name": "own"}, "caDuration": "1h"}}},
        {"metrics": {"prometheusRule": {"enabled": True, "certificateDays": 9.5}}},
        {"daemonset": {"enabled": True, "hostPath": "/data/dind", "storage": {"hostPath": "/data/dind-images"}}},
        {"daemonset": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}}}},
        {"daemonset": {"enabled": True, "extraArgs": ["--metrics-addr=127.0.0.1:9323"]}},
        {"daemonset": {"extraArgs": ["--host=tcp://0.0.0.0:2376", "--tlsverify", "-H=unix:///run/a.sock"]}},
        {
            "daemonset": {
                "enabled": True,
                "metrics": {"enabled": True},
                "extraArgs": ["--host=tcp://0.0.0.0:19323", "--host=unix:///run/a:9323"],
            }
        },
        {
            "daemonset": {
                "config": {"proxies": {"no-proxy": "a.example"}},
                "extraArgs": ["--http-proxy=http://a.example"],
            }
        },
        {"daemonset": {"config": {"log-opts": {"debug": "1"}}, "extraArgs": ["-D"]}},
        {"daemonset": {"config": {"debug": True, "dns": ["192.0.2.1"]}, "extraArgs": ["--log-level=debug"]}},
        *(
            {"daemonset": {"config": {"registry-mirrors": [mirror], "insecure-registries": ["a.example", network]}}}
            for mirror, network in [
                ("http://10.1.1.1:5000", "192.0.2.0/24"),
                ("http://192.0.2.127:5000", "192.0.2.128/25"),
                ("http://10.1.1.1:5000", "fd00::/8"),
                ("http://[fd00::1]:5000", "10.0.0.0/8"),
                ("http://m.example:5000", "10.0.0.0/8"),
                ("http://localhost.example", "10.0.0.0/8"),
                ("http://127.example", "10.0.0.0/8"),
            ]
        ),
        {
            "settings": {"injection": {"start_script": False}},
            "daemonset": {"config": {"cgroup-parent": "/a"}},
        },
        {"test": {"enabled": False, "namespace": "kube-system"}},
        {"test": {"namespace": "ci"}},
        {"settings": {"injection": {"defaults": {"registry-mirrors": ["https://m.example"], "env": {"A": "b"}}}}},
        *({"settings": {"injection": injection}} for injection in RIGHT_DEFAULTS),
        *(
            {"tolerations": [toleration], "settings": {"injection": {"tolerations": [toleration]}}}
            for toleration in [
                {"operator": "Exists"},
                {"key": "", "operator": "Exists", "value": ""},
                {"key": "ci", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
                {"key": "ci", "value": "true"},
                {"key": "ci", "operator": "Equal", "value": "", "effect": "NoSchedule"},
            ]
        ),
    ],
    ids=str,
)
def test_what_is_close_to_a_contradiction_renders(values: Any) -> None:
    render(values)


@pytest.mark.parametrize("injection", [row[1] for row in WRONG_DEFAULTS], ids=str)
def test_the_program_refuses_the_defaults_that_helm_refuses(injection: Any) -> None:
    with pytest.raises(ValidationError):
        InjectionSettings.model_validate(injection)


@pytest.mark.parametrize("injection", RIGHT_DEFAULTS, ids=str)
def test_the_program_accepts_the_defaults_that_helm_accepts(injection: Any) -> None:
    InjectionSettings.model_validate(injection)


def test_no_replica_is_fine_where_pods_do_not_depend_on_it() -> None:
    render({"replicas": 0, "webhook": {"failurePolicy": "Ignore"}})


def _places(values: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*place, key)
        if isinstance(value, dict):
            yield from _places(value, (*place, key))


def _without(place: tuple[str, ...]) -> Any:
    """Return the default values with all features on, and one value `null`, for which helm removes the default."""
    values = copy.deepcopy(VALUES)
    for on in ("daemonset", "networkPolicy", "autoscaling"):
        values[on]["enabled"] = True
    for on in ("service", "serviceMonitor", "prometheusRule", "dashboard"):
        values["metrics"][on]["enabled"] = True
    values["daemonset"]["metrics"]["enabled"] = values["daemonset"]["metrics"]["podMonitor"]["enabled"] = True
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = None
    return values


@cache
def _is_valid(manifest: str) -> None:
    """Raise an error if a manifest is invalid. The cache helps: most manifests do not depend on the values."""
    o = yaml.safe_load(manifest)
    if o and o["kind"] not in CUSTOM:
        kubernetes_validate.validate(o, "1.37", strict=True)


@pytest.mark.parametrize("place", list(_places(VALUES)), ids=".".join)
def test_a_value_that_is_taken_away_is_missed_by_name_or_not_at_all(place: tuple[str, ...]) -> None:
    done = template(_without(place))
    if done.returncode:
        outer = "".join(f"/{key}" for key in place[:-1])
        assert f"at '{outer}': missing property '{place[-1]}'" in done.stderr
        return
    for manifest in done.stdout.split("\n---\n"):
        _is_valid(manifest)


def _closed_objects(schema: Any, place: str = "") -> Any:
    if "properties" in schema:
        yield place, schema
        for key, inner in schema["properties"].items():
            yield from _closed_objects(inner, f"{place}.{key}")


def test_no_object_takes_unknown_keys() -> None:
    named = {place: schema for place, schema in SCHEMA["definitions"].items() if place not in {"named", "mount"}}
    for place, schema in _closed_objects({**SCHEMA, "properties": {**SCHEMA["properties"], **named}}):
        assert schema.get("additionalProperties", True) is (place in OPEN), place


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("podSecurityContext", "core.v1.PodSecurityContext"),
        ("securityContext", "core.v1.SecurityContext"),
        ("profile", "core.v1.SeccompProfile"),
        ("seLinuxOptions", "core.v1.SELinuxOptions"),
        ("toleration", "core.v1.Toleration"),
        ("dnsConfig", "core.v1.PodDNSConfig"),
        ("hostAlias", "core.v1.HostAlias"),
        ("rollingUpdate", "apps.v1.RollingUpdateDeployment"),
        ("resources", "core.v1.ResourceRequirements"),
    ],
)
def test_a_map_of_kubernetes_has_every_member_that_kubernetes_knows(ours: str, theirs: str) -> None:
    definitions = "kubernetes-json-schema/v1.37.0-local-strict/_definitions.json"
    kubernetes = schema_contents(definitions, "1.37")["$defs"][f"io.k8s.api.{theirs}"]["properties"]
    assert set(SCHEMA["definitions"][ours]["properties"]) == set(kubernetes) - {"windowsOptions"}


# No defaults: the first is valid for one type of strategy only; the second may be an image reference in a parent chart.
UNSET = {".daemonset.updateStrategy.rollingUpdate", ".global.image"}


def test_schema_and_values_have_the_same_keys() -> None:
    def compare(values: Any, schema: Any, place: str = "") -> None:
        if "properties" not in schema or not values:
            return
        assert set(values) == {key for key in schema["properties"] if f"{place}.{key}" not in UNSET}, place
        for key, value in values.items():
            compare(value, schema["properties"][key], f"{place}.{key}")

    ours = {key: schema for key, schema in SCHEMA["properties"].items() if key not in HELMS_OWN}
    compare(VALUES, {"properties": ours})


@pytest.mark.parametrize("group", ["injection", "server", "log"])
def test_the_settings_that_values_take_are_those_of_the_program(group: str) -> None:
    properties = SCHEMA["properties"]["settings"]["properties"][group]["properties"]
    assert sorted(properties) == sorted(open_settings(group))


@pytest.mark.parametrize("group", ["server", "log"])
def test_the_comment_of_a_group_of_settings_names_them(group: str) -> None:
    line = re.search(rf"^\| settings\.{group} \|.*$", (CHART / "README.md").read_text(), re.MULTILINE)
    assert line
    assert set(open_settings(group)) <= set(re.findall(r"`(\w+)`", line[0]))


def test_the_options_that_values_take_are_those_of_the_program() -> None:
    injection = SCHEMA["properties"]["settings"]["properties"]["injection"]["properties"]
    names = [option.name for option in OPTIONS]
    assert sorted(injection["defaults"]["properties"]) == sorted(names)
    assert sorted(injection["allowed_options"]["items"]["enum"]) == sorted(names)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((option.name, option.example) for option in OPTIONS),
        *((option.name, option.default) for option in OPTIONS),
        ("group", 1001),
        ("mtu", 1450),
        ("wait", False),
        ("cpu-limit", 1.5),
        ("env", {"HTTPS_PROXY": "http://proxy:3128"}),
        ("dockerd-args", ["--log-level=debug"]),
    ],
)
def test_a_default_of_an_option_may_be_its_text_or_what_yaml_makes_of_it(name: str, value: Any) -> None:
    render({"settings": {"injection": {"defaults": {name: value}}}})


def test_each_value_has_a_comment() -> None:
    """The value has a comment, or the map that holds the value has one."""
    has_comment = False
    outer: list[tuple[int, bool]] = []
    for number, line in enumerate((CHART / "values.yaml").read_text().splitlines(), 1):
        text = line.strip()
        if text.startswith("# --"):
            has_comment = True
        if not text or text.startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        outer = [level for level in outer if level[0] < indent]
        is_covered = has_comment or any(level[1] for level in outer)
        assert is_covered or text.endswith(":"), f"line {number}: {line}"
        outer.append((indent, is_covered))
        has_comment = False


def test_the_readme_is_made_from_the_values_as_they_are() -> None:
    """If this fails, run `make readme`, which writes the file."""
    assert (CHART / "README.md").read_text() == readme()


def test_the_readme_names_every_scenario() -> None:
    text = (CHART / "README.md").read_text()
    unnamed = {path.name for path in SCENARIOS if f"ci/{path.name}" not in text}
    assert unnamed == {"daemonset-emptydir-values.yaml"}


def test_values_are_not_changed_by_rendering() -> None:
    values = {"settings": {"injection": {"defaults": {"cpu-limit": "4"}}}}
    before = copy.deepcopy(values)
    render(values)
    assert values == before
