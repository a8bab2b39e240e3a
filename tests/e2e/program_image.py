"""Images that have one static program, and /tmp, and nothing else."""

import tempfile
from pathlib import Path

from cluster import oci
from cluster.cluster import Cluster
from cluster.oci import Config


def load_program(node: Cluster, image: str, program: Path, place: str) -> None:
    """Give the second node an image with a program at the path `place`, which is the image's entrypoint."""
    archive = node.cache.images / f"{image.rpartition('/')[2].replace(':', '-')}.tar"
    if not archive.exists() or archive.stat().st_mtime < program.stat().st_mtime:
        with tempfile.TemporaryDirectory(dir=node.cache.images) as folder:
            target = Path(folder, place.lstrip("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(program)
            Path(folder, "tmp").mkdir()
            Path(folder, "tmp").chmod(0o1777)
            oci.pack(image, [Path(folder)], Config(entrypoint=(place,)), archive)
    node.local_node.load(archive)
