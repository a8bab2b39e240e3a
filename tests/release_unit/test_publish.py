"""What release/publish.sh asks its tools, and that it publishes nothing where the registry's answer is not clear.

`tests/release` publishes with the real tools. Here they are programs that write down how they were called; the errors
are those that crane 0.22 prints.
"""

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIGEST = f"sha256:{'1' * 64}"
IMAGE = "registry.example/owner/dind-webhook"
# `crane digest` asks again after the warning, and only that answer counts.
HEAD = f"2026/01/01 00:00:00 HEAD request failed, falling back on GET: HEAD https://{IMAGE}: unexpected status code "
NOT_FOUND = f"{HEAD}404 Not Found (HEAD responses have no body, use GET for details)\nError: GET https://{IMAGE}: "
TOOL = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $1 $2" in
  "crane digest --platform") echo "$DIGEST";;
  "crane digest "*@*) echo "$DIGEST";;
  "crane digest "* | "crane manifest "*)
    # As soon as something was pushed, the registry has it.
    if grep -q push "$CALLS"; then echo "$DIGEST"; else echo "$ANSWER" >&2; exit 1; fi;;
esac
"""


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "image.txt").write_text(f"{IMAGE}:1.2.3@{DIGEST}\n")
    (folder / "dind-webhook-1.2.3.tgz").write_bytes(b"chart")
    for architecture in ("amd64", "arm64"):
        (folder / f"dind-webhook-1.2.3-{architecture}.cdx.json").write_text("{}")
    with tarfile.open(folder / "dind-webhook-1.2.3-image.tar", "w"):
        pass
    files = sorted(folder.iterdir())
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a folder with the three tools."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("crane", "cosign", "helm"):
        (folder / name).write_text(TOOL)
        (folder / name).chmod(0o755)
    return folder


def _publish(
    dist: Path, tools: Path, answer: str = "", **variables: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Return what the script did, and the calls of its tools."""
    calls = dist.parent / "calls"
    calls.touch()
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}", "CALLS": str(calls), "ANSWER": answer, "DIGEST": DIGEST,
        "COSIGN_FLAGS": "--key k", **variables,
    }  # fmt: skip
    command = [ROOT / "release/publish.sh", dist]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)
    return done, calls.read_text()


@pytest.mark.parametrize(
    "answer",
    [
        f"{NOT_FOUND}MANIFEST_UNKNOWN: manifest unknown; map[Tag:1.2.3]",
        f"{NOT_FOUND}NAME_UNKNOWN: repository name not known to registry; map[name:owner/dind-webhook]",
        f"{NOT_FOUND}unexpected status code 404 Not Found: 404 page not found",
        f"Error: HEAD https://{IMAGE}: unexpected status code 404 Not Found (HEAD responses have no body, use GET)",
    ],
)
def test_a_version_that_the_registry_does_not_have_is_published_with_the_tools_on_the_path(
    dist: Path, tools: Path, answer: str
) -> None:
    done, calls = _publish(dist, tools, answer)
    assert done.returncode == 0, done.stderr
    assert f"crane tag {IMAGE}@{DIGEST} 1.2.3" in calls
    assert f"helm push {dist}/dind-webhook-1.2.3.tgz oci://registry.example/owner/charts" in calls
    for architecture in ("amd64", "arm64"):
        assert f"crane digest --platform linux/{architecture} {IMAGE}@{DIGEST}" in calls
        assert f"--predicate {dist}/dind-webhook-1.2.3-{architecture}.cdx.json" in calls
    assert calls.count("cosign attest") == 2
    assert calls.count("cosign sign --yes --key k") == 2


@pytest.mark.parametrize(
    "answer",
    [
        f"Error: GET https://{IMAGE}: unexpected status code 503 Service Unavailable",
        f"Error: GET https://{IMAGE}: UNAUTHORIZED: authentication required",
        f"Error: GET https://{IMAGE}: DENIED: denied",
        f'Error: Get "https://{IMAGE}": dial tcp 192.0.2.1:443: i/o timeout',
        # The second request was not answered.
        f"{NOT_FOUND}unexpected status code 503 Service Unavailable",
        "",
    ],
)
def test_nothing_is_pushed_unless_the_registry_says_that_it_lacks_the_version(
    dist: Path, tools: Path, answer: str
) -> None:
    done, calls = _publish(dist, tools, answer)
    assert done.returncode == 1
    assert f"error: the registry does not say whether it has {IMAGE}:1.2.3: {answer}" in done.stderr
    assert calls == f"crane digest {IMAGE}:1.2.3\n"


def test_the_answer_about_the_chart_must_be_clear_too(dist: Path, tools: Path) -> None:
    crane = tools / "crane"
    crane.write_text(crane.read_text().replace('"crane digest "*@*)', '"crane digest "*)'))
    done, calls = _publish(dist, tools, "Error: unexpected status code 503 Service Unavailable")
    assert done.returncode == 1
    assert "whether it has registry.example/owner/charts/dind-webhook:1.2.3: Error: unexpected" in done.stderr
    assert "push" not in calls


@pytest.mark.parametrize("tool", ["crane", "cosign", "helm"])
def test_a_missing_tool_is_named_before_anything_is_asked(dist: Path, tools: Path, tool: str) -> None:
    (tools / tool).unlink()
    # Without those of this machine
    for program in ("bash", "env", "basename", "cat", "mktemp", "rm"):
        (tools / program).symlink_to(f"/usr/bin/{program}")
    done, calls = _publish(dist, tools, PATH=str(tools))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tool} is not there: install it")
    assert calls == ""


def test_a_tool_at_another_path_is_used(dist: Path, tools: Path) -> None:
    other = tools.parent / "crane"
    (tools / "crane").rename(other)
    done, calls = _publish(dist, tools, f"{NOT_FOUND}MANIFEST_UNKNOWN: x", CRANE=str(other))
    assert done.returncode == 0, done.stderr
    assert "crane push" in calls
