"""An image that stands for the one of GitHub's runner: its user, its directories, and a Docker client.

It runs the script that it gets instead of a token, in the directory where the runner checks a repository out.
"""

import os
from pathlib import Path

from cluster import docker, images
from cluster.cluster import Cluster
from cluster.images import Image, Sources
from cluster.oci import Config
from image_loading import load_image

USER = 1001
HOME = "/home/runner"
WORKSPACE = f"{HOME}/_work/project/project"
_TOKEN = "ACTIONS_RUNNER_INPUT_JITCONFIG"
_RUN = f"""\
#!/bin/sh
mkdir -p {WORKSPACE} {HOME}/_work/_temp
cd {WORKSPACE}
exec sh -euc "${_TOKEN}"
"""


def token_variable(secret: str) -> dict[str, object]:
    """Return the variable with the token, which is in a Secret that the controller makes."""
    return {"name": _TOKEN, "valueFrom": {"secretKeyRef": {"name": secret, "key": "jitToken"}}}


def load(node: Cluster) -> None:
    """Give the second node the image."""
    load_image(node, IMAGE, __file__, images.__file__, docker.__file__)


def _runner(root: Path, _: Sources) -> None:
    home = root / HOME.lstrip("/")
    node = home / "externals/node24/bin/node"
    node.parent.mkdir(parents=True)
    node.write_text("#!/bin/sh\necho node of the runner\n")
    (home / "run.sh").write_text(_RUN)
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/root:/bin/sh\nrunner:x:{USER}:{USER}::{HOME}:/bin/sh\n")
    for program in (node, home / "run.sh"):
        program.chmod(0o755)
    for path in (home, *home.rglob("*")):
        os.chown(path, USER, USER)


IMAGE = Image("actions-runner", ("localhost/actions-runner:1",), (*images.CLIENT.layers, _runner), Config(("/bin/sh",)))
