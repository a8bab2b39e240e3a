"""Defaults that contradict each other, so that every pod of a mode that says nothing itself would be denied."""

from itertools import combinations
from typing import Any

import pytest

from dind_webhook.errors import SettingsError
from dind_webhook.injection import INJECT, Outcome, inject
from dind_webhook.settings import Settings, make_policy, parse_settings

_CLASSES = {"sysbox": "sysbox", "kata": "kata", "gvisor": "gvisor"}
_CLIENT = {"client": "true", "wait": "false"}
_SOCKET = {"socket-dir": "/var/run"}
_GROUP = {"isolation": "userns", "group": "70000"}


def _load(injection: dict[str, Any]) -> Settings:
    return parse_settings(str({"injection": injection}), "file", {}).settings


def _refusal(injection: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as raised:
        _load(injection)
    return str(raised.value)


@pytest.mark.parametrize(
    ("injection", "mode", "says"),
    [
        ({"modes": ["daemonset"], "defaults": _CLIENT}, "daemonset", "dind.io/client cannot be combined with"),
        ({"modes": ["sidecar", "daemonset"], "defaults": _CLIENT}, "daemonset", "init container dind-wait puts the"),
        ({"modes": ["sidecar", "daemonset"], "defaults": _SOCKET}, "daemonset", "with a read-only hostPath"),
        ({"defaults": _GROUP}, "sidecar", "user or group 70000 is above 65535"),
        ({"defaults": _GROUP, "allowed_options": []}, "sidecar", "user or group 70000 is above 65535"),
    ],
)
def test_contradicting_defaults_are_refused_with_the_words_of_the_core(
    injection: dict[str, Any], mode: str, says: str
) -> None:
    refusal = _refusal(injection)
    assert f"injection: these defaults deny every pod in {mode} mode that sets no options itself: " in refusal
    assert says in refusal
    assert f"; or leave {mode} out of modes" in refusal


@pytest.mark.parametrize(
    "injection",
    [
        # The operator may have no DaemonSet.
        {"defaults": _CLIENT},
        {"defaults": _SOCKET},
        {"modes": ["sidecar"], "defaults": _CLIENT},
        {"modes": ["sidecar", "daemonset"], "defaults": _SOCKET, "host_path_read_only": False},
        {"modes": ["daemonset"], "defaults": _GROUP},
        # Every pod must have these.
        {"modes": ["sidecar", "daemonset"], "defaults": {"containers": "build,test", "share-volumes": "work,cache"}},
    ],
)
def test_defaults_that_pods_can_have_are_accepted(injection: dict[str, Any]) -> None:
    _load(injection)


def test_an_entry_is_checked_too() -> None:
    modes = ["sidecar", "daemonset"]
    entries = [{"names": ["a"], "defaults": _CLIENT}, {"names": ["b"], "max": {}}]
    refusal = _refusal({"modes": modes, "namespaces": entries})
    assert refusal.startswith("injection: entry a: these defaults deny every pod in daemonset mode")
    assert "entry b" not in refusal
    # What an entry has from the settings for all is said once.
    assert "entry" not in _refusal({"modes": modes, "defaults": _CLIENT, "namespaces": entries})
    # An entry that names its modes
    own = {"names": ["a"], "modes": ["daemonset"], "defaults": _CLIENT}
    assert "entry a: these defaults deny" in _refusal({"namespaces": [own]})


_VALUES = {
    "client": ["true", "/opt/docker"],
    "ephemeral-storage-limit": ["25G"],
    "group": ["0", "70000"],
    "isolation": ["auto", "userns", "sysbox", "kata", "gvisor"],
    "metrics-port": ["9323", "9000"],
    "placement": ["container"],
    "proxy": ["http://proxy.example:3128"],
    "registry-secret": ["registry"],
    "share-volumes": ["false", "work"],
    "socket-dir": ["/var/run", "/opt/docker/run"],
    "storage-class": ["fast"],
    "storage-medium": ["Memory", "Volume"],
    "tcp": ["127.0.0.1:2375", "0.0.0.0:9323"],
    "wait": ["false"],
}


def test_no_two_defaults_that_are_accepted_deny_every_pod() -> None:
    pod: dict[str, Any] = {
        "metadata": {},
        "spec": {
            "containers": [{"name": "a", "image": "b", "volumeMounts": [{"name": "work", "mountPath": "/work"}]}],
            "volumes": [{"name": "work", "emptyDir": {}}],
        },
    }
    values = [(name, text) for name, texts in _VALUES.items() for text in texts]
    accepted = 0
    for pair in combinations(values, 2):
        if pair[0][0] == pair[1][0]:
            continue
        try:
            modes = ["sidecar", "daemonset"]
            settings = _load({"modes": modes, "defaults": dict(pair), "runtime_classes": _CLASSES})
        except SettingsError:
            continue
        accepted += 1
        for mode in modes:
            pod["metadata"]["annotations"] = {INJECT: mode}
            decision = inject(pod, None, make_policy(settings.injection))
            assert decision.outcome is Outcome.INJECTED, (pair, decision.message)
    assert accepted > 200
