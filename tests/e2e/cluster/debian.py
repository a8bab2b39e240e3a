"""Root filesystems of Debian's packages, from the mirror that this machine uses itself."""

import shutil
from pathlib import Path

from cluster.commands import ask, run
from cluster.errors import ClusterError

SUITE = "bookworm"


def bootstrap(root: Path, packages: tuple[str, ...], debs: Path, log: Path) -> None:
    """Make a small Debian with some packages in an empty folder; packages are kept in `debs` for the next one."""
    what = f"making a root filesystem with {packages[0]}"
    shutil.rmtree(root, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", f"--cache-dir={debs}"]
    run(what, [*command, SUITE, str(root), *_mirror(log)], log)
    # What apt needs for the next install, and nobody here will do.
    for leftover in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(root / leftover, ignore_errors=True)


def _mirror(log: Path) -> list[str]:
    try:
        command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"]
        lines = ask("asking apt for its mirror", command, log).splitlines()
    except (ClusterError, FileNotFoundError):
        # Not Debian: debootstrap has a mirror of its own.
        return []
    return [line.split(" ", 1)[1] for line in lines if line.split(" ", 1)[0] == SUITE][:1]
