"""Install or download Debian packages, from the Debian mirror of this machine."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import output_of, run
from cluster.errors import ClusterError

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def bootstrap(root: Path, suite: str, packages: Sequence[str], log: Path) -> None:
    """Install a minimal Debian release, for example "trixie", and some packages into an empty folder."""
    what = f"making a root filesystem with {packages[0]}"
    shutil.rmtree(root, ignore_errors=True)
    # In a mount namespace, so that no mount of proc stays in the folder if this process is interrupted.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    mirror = _mirror(log)
    run(what, [*command, suite, str(root), *([mirror] if mirror else [])], log)
    # Remove the package lists and the downloaded packages: nobody runs apt in these images.
    for leftover in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(root / leftover, ignore_errors=True)


@dataclass(frozen=True)
class Suite:
    """A Debian release whose packages are downloaded with apt settings in a folder, not with those of the machine."""

    name: str
    folder: Path
    log: Path

    def update(self) -> None:
        """Download the package lists."""
        mirror = _mirror(self.log)
        if mirror is None:
            raise ClusterError("apt has no Debian mirror: the node's kernel and images are built from Debian packages")
        for part in ("lists/partial", "archives/partial", "state"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        source = f"Types: deb\nURIs: {mirror}\nSuites: {self.name}\nComponents: main\nSigned-By: {_KEYRING}\n"
        (self.folder / "debian.sources").write_text(source)
        settings = {
            "Dir::State": "state",
            "Dir::State::lists": "lists",
            "Dir::Cache": "",
            "Dir::Cache::archives": "archives",
            "Dir::Etc::sourcelist": "debian.sources",
        }
        lines = [f'{name} "{self.folder / path}";' for name, path in settings.items()]
        lines += ['Dir::State::status "/dev/null";', 'Dir::Etc::sourceparts "/dev/null";']
        # apt's own user cannot write into this folder. The descriptions of the packages are not needed.
        lines += ['APT::Sandbox::User "root";', 'Acquire::Languages "none";', ""]
        self._settings.write_text("\n".join(lines))
        run(f"reading the packages of {self.name}", ["apt-get", "update"], self.log, self._environment)

    def dependency(self, package: str) -> str:
        """Return the dependency of a package without files, for example linux-source-7.2 for linux-source."""
        command = ["apt-cache", "depends", "--important", package]
        output = output_of(f"looking for {package}", command, self.log, self._environment)
        dependencies = [line.split()[1] for line in output.splitlines() if "Depends:" in line]
        if not dependencies:
            raise ClusterError(f"Debian's {self.name} has no {package}", self.log)
        return dependencies[0]

    def unpack(self, packages: Sequence[str], root: Path) -> None:
        """Unpack the files of packages into a folder, without running their scripts."""
        downloads = self.folder / "downloads"
        downloads.mkdir(exist_ok=True)
        what = f"downloading {packages[0]}"
        run(what, ["apt-get", "download", *packages], self.log, self._environment, downloads)
        for archive in sorted(downloads.glob("*.deb")):
            run(f"unpacking {archive.name}", ["dpkg-deb", "--extract", archive, root], self.log)
            archive.unlink()

    @property
    def _settings(self) -> Path:
        return self.folder / "apt.conf"

    @property
    def _environment(self) -> dict[str, str]:
        return {"APT_CONFIG": str(self._settings)}


def _mirror(log: Path) -> str | None:
    """Return the Debian mirror of this machine's apt, or None: debootstrap then uses its default mirror."""
    try:
        command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"]
        lines = output_of("asking apt for its mirror", command, log).splitlines()
    except (ClusterError, FileNotFoundError):
        # This machine is not Debian.
        return None
    # Skip suites such as bookworm-updates: other mirrors may have them.
    return next((uri for release, uri in (line.split(" ", 1) for line in lines) if release.isalpha()), None)
