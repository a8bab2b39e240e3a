"""`python -m release`: fill a folder with what a release publishes; `python -m release lock`: lock Debian packages."""

import argparse
import os
import sys
from pathlib import Path

from release import commit, debian, dist, preconditions, programs
from release.errors import ReleaseError

_ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("lock", help="lock the newest Debian packages")
    names = argparse.ArgumentParser(add_help=False)
    names.add_argument("--owner", required=True, help="the account on GitHub that publishes")
    names.add_argument("--registry", default="ghcr.io", help="the container registry (default: %(default)s)")
    names.add_argument(
        "--tag", default="", help="fail unless the commit is ready to be released under this tag, for example v1.2.3"
    )
    names.add_argument("--dist", type=Path, default=_ROOT / "dist", help="the folder, which is replaced")
    commands.add_parser("check", parents=[names], help="check what `make` needs; with any Python, in a second")
    make = commands.add_parser("make", parents=[names], help="fill dist/ from the commit that is checked out")
    make.add_argument("--helm", type=Path, required=True, help="helm 4")
    make.add_argument("--interpreted", action="store_true", help="without native modules: faster to make, slower")
    arguments = parser.parse_args()
    # Modes of files must not depend on who makes the release.
    os.umask(0o022)
    try:
        if arguments.command == "lock":
            debian.lock(_ROOT)
        else:
            _check(arguments)
        if arguments.command == "make":
            _make(arguments)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _check(arguments: argparse.Namespace) -> None:
    preconditions.check_names(arguments.owner, arguments.registry)
    preconditions.check_machine()
    preconditions.check_commit(_ROOT, arguments.tag)
    dist.check(arguments.dist)


def _make(arguments: argparse.Namespace) -> None:
    # Needs packages for YAML, which `check` does not.
    from release import assembly

    programs.require([arguments.helm])
    _, not_released = commit.uncommitted(_ROOT)
    if not_released:
        print(f"warning: uncommitted changes are not released:\n{not_released}", file=sys.stderr)
    order = assembly.Order(arguments.owner, arguments.registry, arguments.helm, arguments.interpreted)
    with dist.replace(arguments.dist) as folder:
        assembly.make(_ROOT, order, folder, _step)
    _step(f"made {len(list(arguments.dist.iterdir()))} files in {arguments.dist}")


def _step(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
