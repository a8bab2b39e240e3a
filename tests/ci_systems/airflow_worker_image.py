"""The image of a worker of Airflow: Debian's Python and bash, Airflow, the DAGs, and no Docker client."""

import os
from pathlib import Path

import python_image
from cluster.cluster import Cluster
from cluster.images import Image, Sources
from cluster.oci import Config
from image_loading import load_image
from python_packages import lock
from systems import AIRFLOW

DAGS = Path(__file__).with_name("airflow_executor_dags")
# The DAGs in the image
DAGS_OF_WORKER = "/dags"
# The user of the published image, and its directories
USER = 50000
_HOME, _AIRFLOW_HOME = "/home/airflow", "/opt/airflow"


def load(node: Cluster) -> None:
    """Give the second node the image."""
    load_image(node, IMAGE, __file__, python_image.__file__, lock("airflow"), *sorted(DAGS.glob("*.py")))


def _worker(root: Path, sources: Sources) -> None:
    python_image.write_layer(root, sources, lock("airflow"))
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
    (f"localhost/airflow-worker:{AIRFLOW}",),
    (_worker,),
    Config(environment=(python_image.VARIABLE, f"AIRFLOW_HOME={_AIRFLOW_HOME}")),
)
