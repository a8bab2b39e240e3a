"""Every peer makes the same pods as dind-webhook."""

import copy
import importlib
import json
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import builds
import compare
import pytest
import samples
import servers
import webhook_api

PODS = samples.pods_to_compare()
PROGRAMS = {servers.RUST: "rust", servers.RUNTIME: "controller-runtime", servers.KOPF: "kopf"}


def answer_with(patch: list[dict[str, Any]]) -> dict[str, Any]:
    return {"response": {"patch": b64encode(json.dumps(patch).encode()).decode()}}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_peer_makes_the_same_pods(name: str, tmp_path: Path) -> None:
    if not builds.is_built(PROGRAMS[name]):
        pytest.skip(f"`make bench` has not built {name} from these sources yet")
    servers.prepare(tmp_path)
    with ExitStack() as stack:
        compare.check_same_pods(servers.start(name, tmp_path, stack))


@pytest.mark.parametrize("name", PODS)
def test_the_python_injection_makes_the_same_pod(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    servers.prepare(tmp_path)
    monkeypatch.setenv("ADDITIONS", str(tmp_path / "additions.json"))
    changed = copy.deepcopy(PODS[name])
    importlib.import_module("pod_injection").add_docker(changed)
    answer = answer_with([{"op": "replace", "path": "", "value": changed}])
    assert compare.compare_patches(PODS[name], answer, exact=False) == []


@pytest.mark.parametrize("exact", [True, False])
def test_a_missing_operation_is_a_difference(exact: bool) -> None:
    pod = PODS["4.4 KB"]
    patch = webhook_api.make_patch(pod)
    assert compare.compare_patches(pod, answer_with(patch), exact=exact) == []
    assert compare.compare_patches(pod, answer_with(patch[:-1]), exact=exact)


def test_the_order_of_operations_counts_only_if_they_must_be_exact() -> None:
    pod = PODS["4.4 KB"]
    first, second, *others = webhook_api.make_patch(pod)
    answer = answer_with([second, first, *others])
    assert compare.compare_patches(pod, answer, exact=False) == []
    assert compare.compare_patches(pod, answer, exact=True)


@pytest.mark.parametrize(
    ("field", "counts"),
    [
        ({"status": {}}, False),
        ({"metadata": {"creationTimestamp": None}}, False),
        ({"containers": [{"resources": {}}]}, False),
        ({"containers": [{"resources": {"limits": {"cpu": "1"}}}]}, True),
        ({"volumes": [{"name": "x", "emptyDir": {}}]}, True),
        ({"securityContext": {}}, True),
    ],
)
def test_only_the_defaults_of_go_types_are_left_out(field: dict[str, Any], counts: bool) -> None:
    plain: dict[str, Any] = {"metadata": {}, "containers": [{}], "volumes": [{"name": "x"}]}
    assert (compare.without_go_defaults(plain | field) != compare.without_go_defaults(plain)) is counts


def test_the_lock_of_the_rust_peer_has_no_address() -> None:
    assert "source = " not in (builds.PEERS / "rust" / "Cargo.lock.in").read_text("utf-8")


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(builds, "_CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="cargo is missing, which builds the peer rust: install Rust"):
        builds.build("rust")
