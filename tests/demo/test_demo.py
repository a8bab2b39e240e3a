"""`make demo` prints a short table, more with V=1, and fails if a decision is not as expected."""

import importlib.util
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

OUTCOMES = ["injected", "injected", "injected", "injected", "untouched", "denied", "denied"]


@pytest.fixture(name="loaded", scope="module")
def loaded_demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_under_test", Path(__file__).with_name("demo.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="server", scope="module")
def running_webhook(loaded: ModuleType) -> Iterator[Any]:
    with loaded.webhook() as server:
        yield server


@pytest.fixture(name="demo")
def demo_with_a_running_webhook(loaded: ModuleType, server: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(loaded, "webhook", lambda: nullcontext(server))
    return loaded


def test_it_prints_a_headline_seven_decisions_and_a_verdict(
    demo: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main([]) == 0
    first, head, *rows, last = capsys.readouterr().out.splitlines()
    assert first == "7 pods, sent to dind-webhook on this machine as a Kubernetes API server sends them:"
    assert head.split() == ["POD", "OUTCOME", "WHY"]
    assert [re.split(r" {2,}", row)[2] for row in rows] == OUTCOMES
    assert rows[3].endswith("sidecar mode, from the namespace label")
    assert rows[4].endswith("The pod has dind.io/inject: disabled")
    assert rows[5].endswith('is not accepted (did you mean "sidecar"?)')
    assert last.startswith("All 7 decisions were as expected.")


def test_it_prints_messages_diffs_and_the_log_when_it_is_asked_to(
    demo: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--verbose"]) == 0
    out = capsys.readouterr().out
    assert out.count("restartPolicy: Always") == 3
    assert "use one of sidecar, daemonset, disabled" in out
    assert '"event":"decision"' in out


def test_it_fails_and_names_the_pod_whose_decision_is_not_as_expected(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sidecar, *others, typo, socket = demo.cases()
    broken = [sidecar._replace(mode="daemonset"), *others, typo._replace(reason="opted-out"), socket]
    monkeypatch.setattr(demo, "cases", lambda: iter(broken))
    assert demo.main([]) == 1
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "annotated sidecar: expected mode daemonset, found sidecar",
        "typo: sidcar: expected denied (opted-out), found denied (unknown-value)",
        "2 of 7 decisions were not as expected.",
    ]
