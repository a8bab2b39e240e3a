"""A registry as a company has it, as a process beside the cluster's nodes."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from cluster import images
from cluster.cluster import Cluster
from cluster.images import Image
from kube import Manifest
from outside_service import outside_service

# A name as in a company: no resolver has it, so pods get it as a host alias.
HOST = "registry.corp.example"
USER, PASSWORD = "ci", "secret-word"
# The password as htpasswd -B writes it, with the fewest rounds
_HTPASSWD = f"{USER}:$2b$04$mldxcZcKm3O9XQ/7BcBMq.aG9sGqQ0PKQK6vozNSDQt0wOYSYhcvi\n"
_SERVICE = "private-registry"


@dataclass(frozen=True)
class PrivateRegistry:
    """A running registry with one image, the certificate of its CA, in PEM, or "" without TLS, and its log."""

    address: str
    port: int
    ca: str
    log: Path

    @property
    def name(self) -> str:
        """The name by which the daemons know the registry."""
        return f"{HOST}:{self.port}"

    @property
    def image(self) -> str:
        return f"{self.name}/team/busybox:1"

    @property
    def url(self) -> str:
        return f"{'https' if self.ca else 'http'}://{self.address}:{self.port}"

    @property
    def host_aliases(self) -> list[Manifest]:
        return [{"ip": self.address, "hostnames": [HOST]}]

    def fetched_blobs(self) -> Counter[str]:
        """Return how often clients have fetched each blob."""
        return Counter(re.findall(r'"GET /v2/\S+/blobs/(sha256:\w+)', self.log.read_text()))

    def push(self, node: Cluster, image: Image, name: str) -> None:
        """Push an image of the tests under a name, which has the name of the registry."""
        self.push_archive(node, image.archive(node.cache), name.partition("/")[2])

    def push_archive(self, node: Cluster, archive: Path, path: str) -> None:
        """Push the image in an archive."""
        source, target = f"oci-archive:{archive}", f"docker://{self.address}:{self.port}/{path}"
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
        node.sandbox.run("filling a private registry", *copy, f"--dest-creds={USER}:{PASSWORD}", source, target)


@contextmanager
def private_registry(
    node: Cluster, folder: Path, port: int, *, with_password: bool, with_tls: bool = True
) -> Iterator[PrivateRegistry]:
    """Start Distribution, and push an image to it. With a password, each request needs it."""
    authority = trustme.CA()
    address = str(node.record.link.control_plane)
    certificate = authority.issue_cert(HOST, address)
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    tls = {"tls": {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")}} if with_tls else {}
    (folder / "htpasswd").write_text(_HTPASSWD)
    auth = {"auth": {"htpasswd": {"realm": "company", "path": str(folder / "htpasswd")}}} if with_password else {}
    config = folder / "registry.json"
    config.write_text(
        json.dumps(
            {
                "version": 0.1,
                "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
                "http": {"addr": f":{port}", **tls},
                **auth,
            }
        )
    )
    ca = authority.cert_pem.bytes().decode() if with_tls else ""
    registry = PrivateRegistry(address, port, ca, node.logs / f"{_SERVICE}-{port}.log")
    with outside_service(node, _SERVICE, ["docker-registry", "serve", config], port):
        registry.push(node, images.BUSYBOX, registry.image)
        yield registry
