"""Render the chart with helm, once per process for each set of values, and the overlays with kustomize."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = ROOT / "charts" / "dind-webhook"
OVERLAYS = sorted((ROOT / "deploy" / "overlays").iterdir())
SCENARIOS = sorted((CHART / "ci").glob("*-values.yaml"))
# Those with a webhook
WEBHOOK_SCENARIOS = [path for path in SCENARIOS if "engine: policy" not in path.read_text("utf-8")]
HELMS = ("helm3", "helm4")
RELEASE = "dind-webhook"
# Kinds of other operators' CRDs; the tests in on_a_cluster validate them with a real API server.
CUSTOM = {"Certificate", "Issuer", "PodMonitor", "ServiceMonitor", "PrometheusRule"}
NAMESPACE = "docker-system"

# libyaml's loader, if it is installed, is ten times as fast
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def tool(name: str) -> str:
    """Return the path of a tool that install-go-tools.sh has built."""
    command = [ROOT / "tests/install-go-tools.sh", "--paths"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    path = dict(line.split("=", 1) for line in listing.splitlines())[name]
    if not Path(path).exists():
        pytest.fail(f"{name} is not there: `make chart` builds it")
    return path


def helm(name: str, *arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a version of helm, without the user's configuration."""
    environment = {"PATH": os.defpath, "HOME": "/nonexistent"}
    return subprocess.run(
        [tool(name), *arguments], input=stdin, env=environment, check=False, capture_output=True, text=True
    )


def template_uncached(
    values: str, name: str = "helm4", release: str = RELEASE, namespace: str = NAMESPACE
) -> subprocess.CompletedProcess[str]:
    """Render the chart with values in YAML, without the cache."""
    return helm(name, "template", release, CHART, "--namespace", namespace, "--values", "-", stdin=values)


_template = cache(template_uncached)


def template(
    values: Any, name: str = "helm4", release: str = RELEASE, namespace: str = NAMESPACE
) -> subprocess.CompletedProcess[str]:
    """Render the chart with values, as objects or as YAML, and return the finished helm process."""
    return _template(values if isinstance(values, str) else json.dumps(values), name, release, namespace)


@cache
def _parse(text: str) -> tuple[Any, ...]:
    return tuple(document for document in yaml.load_all(text, _Loader) if document)


def render(
    values: Any, name: str = "helm4", release: str = RELEASE, namespace: str = NAMESPACE
) -> tuple[dict[str, Any], ...]:
    """Return the rendered objects of the chart. They are cached: do not change them."""
    done = template(values, name, release, namespace)
    assert done.returncode == 0, done.stderr
    return _parse(done.stdout)


def kustomize(overlay: Path) -> tuple[dict[str, Any], ...]:
    """Return the objects of an overlay of deploy/. They are cached: do not change them."""
    done = subprocess.run([tool("kustomize"), "build", overlay], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return _parse(done.stdout)


def refusal(values: Any, name: str = "helm4") -> str:
    """Return helm's error for values that the chart refuses."""
    done = template(values, name)
    assert done.returncode != 0, "it renders"
    return done.stderr


def only(objects: tuple[dict[str, Any], ...], kind: str, name: str | None = None) -> dict[str, Any]:
    """Return the only object of a kind, or of a kind and name."""
    found = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    assert len(found) == 1, [(o["kind"], o["metadata"]["name"]) for o in found]
    return found[0]


def kinds(objects: tuple[dict[str, Any], ...]) -> set[str]:
    """Return the kinds of the objects, without hooks."""
    return {o["kind"] for o in objects if not is_hook(o)}


def is_hook(o: dict[str, Any]) -> bool:
    """Return whether the object is a hook, which helm creates for a test only."""
    return "helm.sh/hook" in o["metadata"].get("annotations", {})
