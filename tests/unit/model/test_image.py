"""Image references, by the grammar of github.com/distribution/reference."""

import pytest

from dind_webhook.model import parse_image

_DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("docker:29-dind", "docker.io/library/docker:29-dind"),
        ("docker", "docker.io/library/docker"),
        ("acme/docker:1", "docker.io/acme/docker:1"),
        ("docker.io/docker:1", "docker.io/library/docker:1"),
        ("index.docker.io/acme/docker:1", "docker.io/acme/docker:1"),
        ("registry.example/ci/docker:1", "registry.example/ci/docker:1"),
        ("registry:5000/docker:1", "registry:5000/docker:1"),
        ("localhost/docker:1", "localhost/docker:1"),
        ("[::1]:5000/docker:1", "[::1]:5000/docker:1"),
        ("Registry/docker:1", "Registry/docker:1"),
        (f"docker@{_DIGEST}", f"docker.io/library/docker@{_DIGEST}"),
        (f"docker:29@{_DIGEST}", f"docker.io/library/docker:29@{_DIGEST}"),
        ("a/b_c/d__e/f-g/h.i:T_1.2-3", "docker.io/a/b_c/d__e/f-g/h.i:T_1.2-3"),
        ("evil.com:5000", "docker.io/library/evil.com:5000"),
    ],
)
def test_an_image_is_read_in_full(text: str, canonical: str) -> None:
    assert parse_image(text).canonical == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Docker",
        "docker:",
        "docker:-x",
        "docker: 29",
        "docker:29\n",
        "docker:é",
        "docker:" + "x" * 129,
        "docker@sha256:short",
        "docker@" + "0" * 64,
        "/docker",
        "docker/",
        "a//b",
        "https://docker.io/docker:1",
        "docker:29 dind",
        "x" * 1025,
    ],
)
def test_what_is_no_image_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an image reference such as"):
        parse_image(text)


@pytest.mark.parametrize("text", [_DIGEST, _DIGEST.removeprefix("sha256:")])
def test_the_id_of_an_image_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is the ID of an image, which cannot be pulled; write its name"):
        parse_image(text)
    assert parse_image(f"library/{text}").path == f"library/{text.partition(':')[0]}"


def test_a_repository_name_is_limited() -> None:
    assert parse_image("r.example/" + "a" * 245).path == "a" * 245
    with pytest.raises(ValueError, match="more than 255 characters"):
        parse_image("r.example/" + "a" * 246)


def test_tag_and_digest_are_told_apart() -> None:
    image = parse_image(f"registry:5000/ci/docker:29@{_DIGEST}")
    assert image == ("registry:5000", "ci/docker", "29", _DIGEST)
