"""Images of CI systems: packed when one of their inputs has changed, and loaded into the second node."""

from pathlib import Path

from cluster import images
from cluster.build_inputs import BuildInputs
from cluster.cluster import Cluster
from cluster.images import Image, Sources


def load_image(node: Cluster, image: Image, *inputs: str | Path) -> None:
    """Give the second node an image. `inputs` are the files that its content depends on."""
    files = [Path(__file__), *map(Path, inputs)]
    with node.cache.lock("build"):
        images.pack(image, BuildInputs.of(files), Sources(node.cache, node.logs / f"{image.file}.log"))
    node.local_node.load(image.archive(node.cache))
