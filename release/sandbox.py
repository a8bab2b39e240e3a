"""Run commands on a root file system of locked packages, with bubblewrap: no program of this machine is involved."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from release import programs
from release.errors import ReleaseError
from release.targets import PYTHON

INTERPRETER = f"/usr/bin/{PYTHON}"
# What commands get from the environment of this machine: how to reach the package index. Others would change what they
# build, for example CFLAGS and PYTHONOPTIMIZE.
_NETWORK = (
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_CERT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)


@dataclass(frozen=True)
class Sandbox:
    """A root file system in which commands run. They see two folders of this machine, as /work and /cache."""

    root: Path
    work: Path
    cache: Path

    def run(self, command: Sequence[str], environment: Mapping[str, str], folder: str = "/work") -> None:
        """Run a command in a folder, with the network, the certificates and the package index of this machine."""
        programs.require(["bwrap"])
        self.cache.mkdir(parents=True, exist_ok=True)
        # /etc has the settings of pip, of the name service, and the certificates that the machine trusts.
        binds = {self.work: "/work", self.cache: "/cache"}
        mounts = ["--ro-bind", str(self.root), "/", "--ro-bind", "/etc", "/etc"]
        mounts += [word for outside, inside in binds.items() for word in ("--bind", str(outside), inside)]
        system = ["--proc", "/proc", "--dev", "/dev", "--die-with-parent", "--chdir", folder]
        system += ["--tmpfs", "/tmp"]  # noqa: S108  # it is the sandbox's own
        network = {name: value for name, value in os.environ.items() if name.upper() in _NETWORK}
        everything = {"PATH": "/usr/bin:/bin", **network, **environment}
        variables = [word for name, value in everything.items() for word in ("--setenv", name, value)]
        words = ["bwrap", "--clearenv", *mounts, *system, *variables, *command]
        done = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise ReleaseError(
                f"{' '.join(command[:4])} … ended with {done.returncode}:\n{done.stdout.decode(errors='replace')}"
            )
