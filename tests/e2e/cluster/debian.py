"""Make root filesystems of Debian packages with debootstrap, from the Debian mirror of this machine."""

import shutil
from pathlib import Path

from cluster.commands import output_of, run
from cluster.errors import ClusterError


def bootstrap(root: Path, suite: str, packages: tuple[str, ...], log: Path) -> None:
    """Install a minimal Debian release, for example "trixie", and some packages into an empty folder."""
    what = f"making a root filesystem with {packages[0]}"
    shutil.rmtree(root, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    run(what, [*command, suite, str(root), *_mirror(log)], log)
    # Remove the package lists and the downloaded packages: nobody runs apt in these images.
    for leftover in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(root / leftover, ignore_errors=True)


def _mirror(log: Path) -> list[str]:
    try:
        command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"]
        lines = output_of("asking apt for its mirror", command, log).splitlines()
    except (ClusterError, FileNotFoundError):
        # This machine is not Debian: use debootstrap's default mirror.
        return []
    # Skip suites such as bookworm-updates: other mirrors may have them.
    return [uri for release, uri in (line.split(" ", 1) for line in lines) if release.isalpha()][:1]
