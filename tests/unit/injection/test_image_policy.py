"""The operator's patterns of images."""

import pytest

from dind_webhook.injection.image_policy import is_allowed_image

_DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "pattern"),
    [
        ("docker:29-dind", "docker:29-dind"),
        ("docker:29-dind", "docker:*-dind"),
        ("docker:29-dind", "docker:*"),
        ("docker:29-dind", "docker.io/library/docker:*"),
        ("docker.io/library/docker:29-dind", "docker:*-dind"),
        ("index.docker.io/library/docker:29-dind", "docker:*-dind"),
        ("acme/docker:1", "acme/*"),
        ("acme/docker:1", "docker.io/acme/*"),
        ("registry.example/ci/docker:1", "registry.example/ci/*"),
        ("registry.example/ci/docker:1", "registry.example/*/docker:1"),
        ("registry.example:5000/docker:1", "registry.example:5000/*"),
        (f"docker@{_DIGEST}", f"docker@{_DIGEST}"),
        (f"docker:29@{_DIGEST}", "docker:*@sha256:*"),
    ],
)
def test_an_image_that_a_pattern_matches_is_allowed(image: str, pattern: str) -> None:
    assert is_allowed_image(image, [pattern])
    assert is_allowed_image(image, ["other:*", pattern])


@pytest.mark.parametrize(
    ("image", "pattern"),
    [
        ("docker:29-dind", "docker:29"),
        (f"docker:29@{_DIGEST}", "docker:*"),
        (f"docker:29-dind@{_DIGEST}", "docker:29*"),
        (f"docker@{_DIGEST}", "*"),
        ("docker:29-dind", "docker"),
        ("docker:29-dind-rootless", "docker:*-dind"),
        ("acme/docker:29-dind", "docker:*-dind"),
        ("registry.example/docker:29-dind", "docker:*-dind"),
        ("registry.example/docker:29-dind", "*"),
        ("registry.example/ci/docker:1", "registry.example/*"),
        ("registry.example.attacker/docker:1", "registry.example/*"),
        ("registryXexample/docker:1", "registry.example/*"),
        ("attacker/registry.example/docker:1", "registry.example/*"),
        ("docker:29-dind", "docker:[0-9]*"),
        ("docker:29-dind", ""),
    ],
)
def test_an_image_that_no_pattern_matches_is_not(image: str, pattern: str) -> None:
    assert not is_allowed_image(image, [pattern])


def test_without_patterns_no_image_is_allowed() -> None:
    assert not is_allowed_image("docker:29-dind", [])
