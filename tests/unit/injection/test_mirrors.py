"""Mirrors of registries, in the daemon's container."""

from typing import Any

import pytest
from pods import a_pod, find_by_name, injected_pod, permissive_policy

from dind_webhook.injection import Policy, Reason, inject

_MIRRORS = "https://m.example, GHCR.io=node:5000,r.example=none"
_NODE = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.hostIP"}}


def _daemon(mirrors: str, policy: Policy) -> Any:
    spec = injected_pod(a_pod(options={"registry-mirrors": mirrors}), policy)["spec"]
    return find_by_name(spec["initContainers"], "dind")


def test_the_start_script_gets_all_mirrors_and_the_address_of_the_node() -> None:
    assert _daemon(_MIRRORS, permissive_policy())["env"] == [
        {"name": "DIND_MIRRORS", "value": "docker.io=https://m.example,ghcr.io=http://node:5000,r.example="},
        {"name": "DIND_NODE_IP", "valueFrom": _NODE},
    ]


def test_without_a_mirror_on_the_node_its_address_is_not_asked_for() -> None:
    (variable,) = _daemon("*=http://node.ci:5000", permissive_policy())["env"]
    assert variable == {"name": "DIND_MIRRORS", "value": "*=http://node.ci:5000"}


@pytest.mark.parametrize(
    ("mirrors", "flags"),
    [
        (_MIRRORS, ["--registry-mirror=https://m.example"]),
        ("docker.io=https://m.example/x", ["--registry-mirror=https://m.example/x"]),
        ("node:5000", []),
        ("docker.io=https://node/x", []),
        ("docker.io=none,*=http://m", []),
    ],
)
@pytest.mark.parametrize("start_script", [True, False])
def test_a_mirror_of_docker_hub_is_a_flag_too_unless_it_is_on_the_node(
    mirrors: str, flags: list[str], start_script: bool
) -> None:
    args = _daemon(mirrors, permissive_policy(start_script=start_script))["args"]
    assert [flag for flag in args if "registry" in flag] == flags


def test_without_the_start_script_a_warning_names_the_others() -> None:
    policy = permissive_policy(start_script=False)
    assert "env" not in _daemon(_MIRRORS, policy)
    warnings = inject(a_pod(options={"registry-mirrors": _MIRRORS}), None, policy).warnings
    assert "the operator has turned start_script off, which mirrors need, of: ghcr.io, r.example" in warnings
    assert inject(a_pod(options={"registry-mirrors": "http://m"}), None, policy).warnings == ()


@pytest.mark.parametrize(("registry", "folder"), [("ghcr.io", "ghcr.io"), ("*", "_default")])
def test_a_registry_has_one_hosts_toml(registry: str, folder: str) -> None:
    options = {"registry-mirrors": f"{registry}=http://m", "daemon-files": f"certs.d/{folder}/hosts.toml=secret/a/b"}
    decision = inject(a_pod(options=options), None, permissive_policy())
    assert decision.reason is Reason.INVALID_OPTION
    assert decision.message.endswith(f'has "certs.d/{folder}/hosts.toml"; remove one of them')
    options["daemon-files"] = f"certs.d/{folder}/ca.crt=secret/a/b"
    assert inject(a_pod(options=options), None, permissive_policy()).reason is Reason.INJECTED


def test_only_the_webhook_sets_the_variables() -> None:
    for name in ("DIND_MIRRORS", "DIND_NODE_IP"):
        decision = inject(a_pod(options={"env": f'{{"{name}": "x"}}'}), None, permissive_policy())
        assert decision.reason is Reason.INVALID_OPTION


def test_a_second_call_changes_nothing() -> None:
    policy = permissive_policy()
    injected = injected_pod(a_pod(options={"registry-mirrors": _MIRRORS}), policy)
    assert inject(injected, None, policy).reason is Reason.UNCHANGED
