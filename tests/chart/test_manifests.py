"""The handwritten manifests of deploy/ must be equal to the chart's objects."""

import json
import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import kubernetes_validate
import pytest
from helm import CUSTOM, OVERLAYS, is_hook, kustomize, render
from readme import POLICY_FILES, overlay_policy

from dind_webhook.settings import load_settings

NAMESPACE = RELEASE = "dind-webhook"
SAME_AS: dict[str, Any] = {
    "self-managed": {},
    "cert-manager": {"tls": {"mode": "certManager"}},
    "daemonset": {"daemonset": {"enabled": True}},
    "strict": {"policy": {"strict": True}},
    "advisory": {"policy": {"advisory": {"enabled": True}}},
}
# The chart knows the version of its cluster; deploy/ does not.
ANY_CLUSTER: dict[str, Any] = {"settings": {"injection": {"image_volumes": False}}}
HELMS_OWN = ("app.kubernetes.io/managed-by", "helm.sh/chart")

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)


def by_name(objects: list[Any]) -> dict[tuple[str, str], Any]:
    return {(o["kind"], o["metadata"]["name"]): _in_order(o) for o in objects}


def _in_order(value: Any) -> Any:
    """Sort lists of named items, whose order has no meaning: kustomize puts merged items first."""
    if isinstance(value, dict):
        return {key: _in_order(inner) for key, inner in value.items()}
    if isinstance(value, list):
        inner = [_in_order(item) for item in value]
        named = all(isinstance(item, dict) and "name" in item for item in inner)
        return sorted(inner, key=lambda item: item["name"]) if named else inner
    return value


def manifests(overlay: Path) -> dict[tuple[str, str], Any]:
    """Return an overlay's objects, without the namespace, which helm creates, and without the ConfigMaps' hashes."""
    objects = kustomize(overlay)
    text = json.dumps([o for o in objects if o["kind"] != "Namespace"])
    for o in objects:
        if o["kind"] == "ConfigMap":
            text = text.replace(o["metadata"]["name"], o["metadata"]["name"].rpartition("-")[0])
    return _with_settings_read(by_name(json.loads(text)))


def chart(values: Any) -> dict[tuple[str, str], Any]:
    """Return the chart's objects for any cluster, without helm's labels and the checksum of the settings."""
    rendered = render({**values, **ANY_CLUSTER}, release=RELEASE, namespace=NAMESPACE)
    objects = json.loads(json.dumps([o for o in rendered if not is_hook(o)]))
    for o in objects:
        for label in HELMS_OWN:
            del o["metadata"]["labels"][label]
        if o["kind"] == "Deployment":
            del o["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
        if o["kind"] == "ConfigMap" and "settings.yaml" in o["data"]:
            del o["metadata"]["annotations"]
    return _with_settings_read(by_name(objects))


def _with_settings_read(objects: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """Replace the text of the settings file by the loaded settings, including defaults."""
    files = objects["ConfigMap", RELEASE]["data"]
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(files["settings.yaml"])
        file.flush()
        files["settings.yaml"] = load_settings(Path(file.name), {}, {}).settings
    return objects


@each_overlay
def test_an_overlay_is_what_the_chart_makes(overlay: Path) -> None:
    ours, helms = manifests(overlay), chart(SAME_AS[overlay.name])
    assert ours.keys() == helms.keys()
    for name, o in helms.items():
        assert ours[name] == o, name


@pytest.mark.parametrize(("overlay", "file"), POLICY_FILES)
def test_the_policies_of_an_overlay_are_rendered_by_the_chart(overlay: str, file: str) -> None:
    """If this fails, run `make readme`, which writes the file."""
    written = next(path for path in OVERLAYS if path.name == overlay) / file
    assert written.read_text() == overlay_policy(overlay, file)


@each_overlay
def test_an_overlay_brings_its_namespace(overlay: Path) -> None:
    (namespace,) = [o for o in kustomize(overlay) if o["kind"] == "Namespace"]
    level = "privileged" if overlay.name == "daemonset" else "restricted"
    assert namespace["metadata"]["name"] == NAMESPACE
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == level
    inside = {o["metadata"]["namespace"] for o in kustomize(overlay) if "namespace" in o["metadata"]}
    assert inside == {NAMESPACE}


@each_overlay
def test_a_change_of_settings_replaces_the_pods(overlay: Path) -> None:
    (deployment,) = [o for o in kustomize(overlay) if o["kind"] == "Deployment"]
    (name,) = [
        v["configMap"]["name"] for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "settings"
    ]
    assert re.fullmatch(rf"{RELEASE}-[a-z0-9]{{10}}", name)


@each_overlay
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_each_object_is_valid(overlay: Path, version: str) -> None:
    for o in kustomize(overlay):
        if o["kind"] not in CUSTOM:
            kubernetes_validate.validate(o, version, strict=True)
