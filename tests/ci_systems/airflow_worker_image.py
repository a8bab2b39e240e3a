"""The image of a worker of Airflow: Debian's Python and bash, Airflow, the DAGs, and no Docker client."""

import os
from pathlib import Path

import airflow_programs
import python_image
from cluster import images
from cluster.build_inputs import BuildInputs
from cluster.cluster import Cluster
from cluster.images import Image, Sources
from cluster.oci import Config

DAGS = Path(__file__).with_name("airflow_executor_dags")
# The DAGs in the image
DAGS_OF_WORKER = "/dags"
# The user of the published image, and its directories
USER = 50000
_HOME, _AIRFLOW_HOME = "/home/airflow", "/opt/airflow"


def load(node: Cluster) -> None:
    """Give the second node the image."""
    sources = (__file__, python_image.__file__, airflow_programs.__file__)
    inputs = BuildInputs.of([*map(Path, sources), *sorted(DAGS.glob("*.py"))])
    with node.cache.lock("build"):
        images.pack(IMAGE, inputs, Sources(node.cache, node.logs / "airflow.log"))
    node.local_node.load(IMAGE.archive(node.cache))


def _worker(root: Path, sources: Sources) -> None:
    python_image.write_layer(root, sources, *airflow_programs.PACKAGES)
    # The executor starts `python`.
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    with (root / "etc/passwd").open("a") as users:
        users.write(f"airflow:x:{USER}:0::{_HOME}:/bin/bash\n")
    for path in (_HOME, _AIRFLOW_HOME, DAGS_OF_WORKER):
        folder = root / path.lstrip("/")
        folder.mkdir(parents=True)
        os.chown(folder, USER, 0)
    for file in DAGS.glob("*.py"):
        (root / DAGS_OF_WORKER.lstrip("/") / file.name).write_bytes(file.read_bytes())


IMAGE = Image(
    "airflow-worker",
    (f"localhost/airflow-worker:{airflow_programs.VERSION}",),
    (_worker,),
    Config(environment=(python_image.VARIABLE, f"AIRFLOW_HOME={_AIRFLOW_HOME}")),
)
