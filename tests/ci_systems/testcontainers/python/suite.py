"""A suite of Testcontainers for Python: a container with a mapped port and a mounted directory, which it removes."""

import sys
import urllib.request
from pathlib import Path

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

WORKSPACE = Path("/work")
# It serves the file that the suite has written, and writes one itself.
SERVER = "echo from the container >/w/answer && exec httpd -f -p 8080 -h /w"


def main() -> None:
    (WORKSPACE / "question").write_text("from the suite")
    container = DockerContainer(
        "busybox:1.37",
        command=["sh", "-c", SERVER],
        volumes=[(str(WORKSPACE), "/w", "rw")],
    )
    with container.with_exposed_ports(8080).waiting_for(HttpWaitStrategy(8080, "/question")):
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8080)}"
        with urllib.request.urlopen(f"{url}/question") as response:
            question = response.read().decode()
        answer = (WORKSPACE / "answer").read_text()
        sys.stdout.write(f"{url} said {question}, {answer}\n")


if __name__ == "__main__":
    main()
