"""The image of a worker of Buildbot: Debian's Python, the worker's package, and no Docker client."""

import os
from pathlib import Path

import python_image
from cluster import images
from cluster.build_inputs import BuildInputs
from cluster.cluster import Cluster
from cluster.images import Image, Sources
from cluster.oci import Config

VERSION = "4.3.0"
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
    inputs = BuildInputs.of(map(Path, (__file__, python_image.__file__)))
    with node.cache.lock("build"):
        images.pack(IMAGE, inputs, Sources(node.cache, node.logs / "buildbot.log"))
    node.local_node.load(IMAGE.archive(node.cache))


def _worker(root: Path, sources: Sources) -> None:
    python_image.write_layer(root, sources, f"buildbot-worker=={VERSION}")
    # The published image has its directory there too.
    (root / "buildbot").mkdir()
    os.chown(root / "buildbot", USER, USER)


IMAGE = Image(
    "buildbot-worker",
    (f"localhost/buildbot-worker:{VERSION}",),
    (_worker,),
    Config(("sh", "-euc", _START_WORKER), environment=(python_image.VARIABLE,)),
)
