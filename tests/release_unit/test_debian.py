"""Debian packages: from which mirrors of this machine they come, and what happens where a mirror does not have them."""

import hashlib
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from release import debian
from release.errors import ReleaseError

CONTENT = b"a package"
PACKAGE = debian.Package("one", "1-1", "all", "pool/main/o/one.deb", hashlib.sha256(CONTENT).hexdigest())
# Repositories on a machine, and what their publishers say of them
REPOSITORIES = [
    ("mirror.example/debian", debian.SUITE, "main", "Debian"),
    ("mirror.example/debian", debian.SUITE, "contrib", "Debian"),
    ("mirror.example/debian-security", f"{debian.SUITE}-security", "main", "Debian"),
    ("mirror.example/debian-older/debian", "bookworm", "main", "Debian"),
    ("docker.example/linux/debian", debian.SUITE, "stable", "Docker"),
    ("main.example/debian", debian.SUITE, "main", "Somebody"),
]


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give apt the repositories, as if it had downloaded their descriptions."""
    if not shutil.which("apt-get"):
        pytest.skip("apt-get is not on this machine, so no mirror of it is used")
    lists = tmp_path / "state/lists"
    (lists / "partial").mkdir(parents=True)
    sources = []
    for address, suite, component, origin in REPOSITORIES:
        sources.append(f"deb [arch=amd64 trusted=yes] https://{address}/ {suite} {component}\n")
        release = f"Origin: {origin}\nSuite: x\nCodename: {suite}\nComponents: main contrib stable\nSHA256:\n"
        stem = f"{address.replace('/', '_')}_dists_{suite}_"
        (lists / f"{stem}Release").write_text(release)
        (lists / f"{stem}{component}_binary-amd64_Packages").touch()
    (tmp_path / "sources.list").write_text("".join(sources))
    settings = {
        "Dir::State": tmp_path / "state", "Dir::State::status": "/dev/null", "Dir::Cache": tmp_path,
        "Dir::Etc::sourcelist": tmp_path / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
    }  # fmt: skip
    (tmp_path / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))


@pytest.mark.usefixtures("apt")
def test_mirrors_are_repositories_of_debian_with_the_suite_and_debians_own_follow() -> None:
    # Not what is cached, which is for this machine
    assert debian._addresses.__wrapped__() == {  # noqa: SLF001
        "debian": ["https://mirror.example/debian", "https://deb.debian.org/debian"],
        "debian-security": ["https://mirror.example/debian-security", "https://deb.debian.org/debian-security"],
    }


def test_without_lists_of_apt_there_are_no_mirrors() -> None:
    assert debian.find_mirrors("") == {"debian": [], "debian-security": []}
    assert debian.find_mirrors("|||https://mirror.example/debian/\n") == {"debian": [], "debian-security": []}


class _Archive(http.server.BaseHTTPRequestHandler):
    """Breaks off an answer below /broken, and has another file below /other."""

    def do_GET(self) -> None:
        content = b"another" if self.path.startswith("/other/") else CONTENT
        found = self.path.endswith(PACKAGE.path) and not self.path.startswith("/empty/")
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:3] if self.path.startswith("/broken/") else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def archives() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Archive) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("first", ["broken", "other", "empty"])
def test_the_next_address_is_asked(archives: str, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "_addresses", lambda: {"debian": [f"{archives}/{first}", f"{archives}/good"]})
    (file,) = debian.download([PACKAGE], "20260101T000000Z", tmp_path)
    assert file.read_bytes() == CONTENT


def test_each_address_that_was_asked_is_in_the_error(
    archives: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "_addresses", lambda: {"debian": [f"{archives}/broken"]})
    monkeypatch.setattr(debian, "_SNAPSHOT", f"{archives}/empty/{{archive}}/{{time}}")
    with pytest.raises(ReleaseError, match=r"one 1-1 cannot be downloaded\. .*/broken: Incomplete.*/empty/.*404"):
        debian.download([PACKAGE], "20260101T000000Z", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("content", "program"), [(b"no package", "dpkg-deb"), (None, "tar")])
def test_a_program_that_cannot_read_a_package_says_so(
    content: bytes | None, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is the real one, or one that is not there."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not on this machine")
    file = tmp_path / "one.deb"
    if content:
        file.write_bytes(content)
        expected = f"{program} --fsys-tarfile {file} … ended with 2: dpkg-deb: error"
    else:
        (tmp_path / "one/DEBIAN").mkdir(parents=True)
        control = "Package: one\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: x\n"
        (tmp_path / "one/DEBIAN/control").write_text(control)
        subprocess.run(["dpkg-deb", "--build", tmp_path / "one", file], check=True, capture_output=True)
        assert debian.control(file).startswith("Package: one\n")
        only = tmp_path / "only"
        only.mkdir()
        (only / "dpkg-deb").symlink_to("/usr/bin/dpkg-deb")
        monkeypatch.setenv("PATH", str(only))
        expected = "a release needs these programs, which are not there: tar; on Debian: apt-get install tar"
    with pytest.raises(ReleaseError) as error:
        debian.unpack([file], tmp_path / "root")
    assert str(error.value).startswith(expected)
