"""The image of a worker of Buildbot: Debian's Python, the worker's package, and no Docker client."""

import os
import sys
from pathlib import Path

from cluster import debian, images
from cluster.build_inputs import BuildInputs
from cluster.cluster import Cluster
from cluster.commands import Command, run
from cluster.images import Image, Sources
from cluster.oci import Config

VERSION = "4.3.0"
# Of Debian's release in the image
_PYTHON = "3.13"
# The user of the published image of the worker
USER = 1000
_START_WORKER = """\
cd /buildbot
worker="from buildbot_worker.scripts.runner import run; run()"
python3 -c "$worker" create-worker . "$BUILDMASTER:$BUILDMASTER_PORT" "$WORKERNAME" "$WORKERPASS"
exec python3 -c "$worker" start --nodaemon .
"""


def load(node: Cluster) -> None:
    """Give the second node the image."""
    with node.cache.lock("build"):
        images.pack(IMAGE, BuildInputs.of([Path(__file__)]), Sources(node.cache, node.logs / "buildbot.log"))
    node.local_node.load(IMAGE.archive(node.cache))


def _worker(root: Path, sources: Sources) -> None:
    debian.bootstrap(root, images.DEBIAN, ["python3"], sources.log)
    platform = ["--python-version", _PYTHON, "--only-binary", ":all:"]
    install: Command = ["install", "--quiet", "--target", root / "packages", *platform, f"buildbot-worker=={VERSION}"]
    run("installing the worker of Buildbot", [sys.executable, "-m", "pip", *install], sources.log)
    # The published image has its directory there too.
    (root / "buildbot").mkdir()
    os.chown(root / "buildbot", USER, USER)


IMAGE = Image(
    "buildbot-worker",
    (f"localhost/buildbot-worker:{VERSION}",),
    (_worker,),
    Config(("sh", "-euc", _START_WORKER), environment=("PYTHONPATH=/packages",)),
)
