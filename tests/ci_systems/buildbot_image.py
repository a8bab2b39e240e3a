"""The image of a worker of Buildbot: Debian's Python, the worker's package, and no Docker client."""

import os
from pathlib import Path

import python_image
from cluster.cluster import Cluster
from cluster.images import Image, Sources
from cluster.oci import Config
from image_loading import load_image
from python_packages import lock
from systems import BUILDBOT

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
    load_image(node, IMAGE, __file__, python_image.__file__, lock("buildbot-worker"))


def _worker(root: Path, sources: Sources) -> None:
    python_image.write_layer(root, sources, lock("buildbot-worker"))
    # The published image has its directory there too.
    (root / "buildbot").mkdir()
    os.chown(root / "buildbot", USER, USER)


IMAGE = Image(
    "buildbot-worker",
    (f"localhost/buildbot-worker:{BUILDBOT}",),
    (_worker,),
    Config(("sh", "-euc", _START_WORKER), environment=(python_image.VARIABLE,)),
)
