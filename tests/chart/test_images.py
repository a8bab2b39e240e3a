"""The registry, the tag and the pull secrets of the chart's images, on its own and in an umbrella chart."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, HELMS, NAMESPACE, RELEASE, helm, only, refusal, render

from dind_webhook import __version__
from dind_webhook.injection import built_in_options
from release.chart import Publication, stamp

DAEMONSET = {"daemonset": {"enabled": True}}
DAEMON = built_in_options().image
MIRROR = "mirror.example:5000/hub"

each_helm = pytest.mark.parametrize("name", HELMS)


def pods(objects: Any) -> list[Any]:
    """Return the specs of all pods: the webhook's, the daemons' and that of helm test."""
    found = [o["spec"] for o in objects if o and o["kind"] in {"Deployment", "DaemonSet", "Pod"}]
    return [spec["template"]["spec"] if "template" in spec else spec for spec in found]


def images(objects: Any) -> set[str]:
    return {c["image"] for pod in pods(objects) for c in [*pod.get("initContainers", []), *pod["containers"]]}


def default_image(objects: Any) -> str:
    """Return the image of sidecars, from the settings file."""
    settings = yaml.safe_load(only(objects, "ConfigMap", RELEASE)["data"]["settings.yaml"])
    return str(settings["injection"]["defaults"]["image"])


def test_the_default_image_of_the_daemon_is_the_programs() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["dindImage"]
    assert f"{values['repository']}:{values['tag']}" == DAEMON
    assert DAEMON in (CHART / "Chart.yaml").read_text()


def test_a_digest_wins_over_the_tag() -> None:
    digest = "sha256:" + "0" * 64
    assert f"r.example:5000/dind-webhook@{digest}" in images(
        render({"image": {"registry": "r.example:5000", "digest": digest}})
    )
    assert images(render({})) == {f"dind-webhook:{__version__}"}


@pytest.mark.parametrize("values", [{"imageRegistry": MIRROR}, {"image": {"registry": MIRROR}}], ids=["flat", "nested"])
def test_one_registry_is_that_of_all_images_and_of_sidecars(values: Any) -> None:
    rendered = render({**DAEMONSET, "global": values, "policy": {"strict": True}, "enabled": True})
    assert images(rendered) == {f"{MIRROR}/dind-webhook:{__version__}", f"{MIRROR}/{DAEMON}"}
    assert default_image(rendered) == f"{MIRROR}/{DAEMON}"


def test_the_strict_policy_accepts_the_image_of_that_registry_only() -> None:
    rendered = render({"global": {"imageRegistry": MIRROR}, "policy": {"strict": True}})
    policy = json.dumps(only(rendered, "ValidatingAdmissionPolicy", f"{RELEASE}-strict"))
    assert policy.count(DAEMON) == policy.count(f"{MIRROR}/{DAEMON}") > 0


def test_an_image_that_the_settings_name_is_used_as_it_is_written() -> None:
    own = {"settings": {"injection": {"defaults": {"image": "own.example/docker:1"}}}}
    assert default_image(render({**own, "global": {"imageRegistry": MIRROR}})) == "own.example/docker:1"


def test_an_image_with_a_registry_of_its_own_keeps_it() -> None:
    rendered = render({**DAEMONSET, "image": {"registry": "own.example"}, "global": {"imageRegistry": MIRROR}})
    assert images(rendered) == {f"own.example/dind-webhook:{__version__}", f"{MIRROR}/{DAEMON}"}


@each_helm
def test_the_registry_of_a_release_is_a_default_only(name: str, tmp_path: Path) -> None:
    chart = tmp_path / CHART.name
    shutil.copytree(CHART, chart)
    digest = "sha256:" + "0" * 64
    stamp(chart, Publication(__version__, "owner/dind-webhook", "ghcr.example/owner/dind-webhook", digest), [])

    def released(values: Any) -> set[str]:
        done = helm(name, "template", RELEASE, chart, "--values", "-", stdin=json.dumps(values))
        assert done.returncode == 0, done.stderr
        return images(yaml.safe_load_all(done.stdout))

    assert released({}) == {f"ghcr.example/owner/dind-webhook@{digest}"}
    assert released({"global": {"imageRegistry": MIRROR}}) == {f"{MIRROR}/owner/dind-webhook@{digest}"}


def test_global_pull_secrets_are_added_to_all_pods() -> None:
    own, shared = [{"name": "own"}], ["shared", {"name": "own"}, {"name": "other"}]
    rendered = render({**DAEMONSET, "imagePullSecrets": own, "global": {"imagePullSecrets": shared}})
    assert len(pods(rendered)) == 3
    for pod in pods(rendered):
        assert [secret["name"] for secret in pod["imagePullSecrets"]] == ["own", "shared", "other"]


# --- unknown globals ----------------------------------------------------------------------------------


@each_helm
@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("global.imageregistry", {"imageregistry": MIRROR}),
        ("global.registry", {"registry": MIRROR}),
        ("global.imagePullSecret", {"imagePullSecret": "a"}),
        ("global.image.repository", {"image": {"repository": "a"}}),
        ("global.image", {"image": MIRROR}),
    ],
)
def test_an_unknown_global_is_refused_and_the_known_ones_are_named(member: str, values: Any, name: str) -> None:
    message = refusal({"global": values}, name)
    assert f"{member} has no effect: the chart uses global.imageRegistry" in message
    assert "global.imagePullSecrets" in message


@pytest.mark.parametrize("registry", ["", MIRROR])
def test_what_rancher_adds_is_no_mistake_and_has_no_effect(registry: str) -> None:
    added = {"cattle": {"clusterId": "local", "systemDefaultRegistry": registry}, "systemDefaultRegistry": registry}
    assert images(render({"global": added})) == images(render({}))


def test_the_readme_says_which_registry_counts_in_rancher() -> None:
    lines = (CHART / "README.md").read_text().splitlines()
    assert any("global.imageRegistry |" in line and "Rancher" in line for line in lines)


@pytest.fixture
def umbrella(tmp_path: Path) -> Path:
    """Return a chart that has this chart as its only subchart."""
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: platform, version: 1.0.0}")
    shutil.copytree(CHART, tmp_path / "charts" / CHART.name)
    return tmp_path


def render_umbrella(umbrella: Path, values: Any, name: str) -> Any:
    flags = ["--namespace", NAMESPACE, "--values", "-"]
    done = helm(name, "template", RELEASE, umbrella, *flags, stdin=json.dumps(values))
    assert done.returncode == 0, done.stderr
    return [o for o in yaml.safe_load_all(done.stdout) if o]


@each_helm
def test_a_parent_chart_shares_its_registry_and_may_have_globals_for_others(umbrella: Path, name: str) -> None:
    for image in ({"pullPolicy": "Always"}, "registry.example/another-chart:1"):
        others = {"storageClass": "fast", "image": image, "registry": "other.example"}
        values = {"global": {**others, "imageRegistry": MIRROR}, "dind-webhook": DAEMONSET}
        assert images(render_umbrella(umbrella, values, name)) == {
            f"{MIRROR}/dind-webhook:{__version__}",
            f"{MIRROR}/{DAEMON}",
        }


@each_helm
def test_a_global_with_a_wrong_value_is_refused_in_a_subchart_too(umbrella: Path, name: str) -> None:
    values = json.dumps({"global": {"imageRegistry": "https://mirror.example"}})
    done = helm(name, "template", RELEASE, umbrella, "--values", "-", stdin=values)
    assert done.returncode != 0
    assert "imageRegistry" in done.stderr
