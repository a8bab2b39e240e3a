"""Root filesystems of Debian's packages, from the mirror that this machine uses itself."""

import shutil
from pathlib import Path

from cluster.commands import output_of, run
from cluster.errors import ClusterError


def bootstrap(root: Path, suite: str, packages: tuple[str, ...], log: Path) -> None:
    """Make a small Debian of a release, as "trixie", with some packages, in an empty folder."""
    what = f"making a root filesystem with {packages[0]}"
    shutil.rmtree(root, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    run(what, [*command, suite, str(root), *_mirror(log)], log)
    # What apt needs for the next install, and nobody here will do.
    for leftover in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(root / leftover, ignore_errors=True)


def _mirror(log: Path) -> list[str]:
    try:
        command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"]
        lines = output_of("asking apt for its mirror", command, log).splitlines()
    except (ClusterError, FileNotFoundError):
        # Not Debian: debootstrap has a mirror of its own.
        return []
    # Not bookworm-updates and the like, which may be elsewhere.
    return [uri for release, uri in (line.split(" ", 1) for line in lines) if release.isalpha()][:1]
