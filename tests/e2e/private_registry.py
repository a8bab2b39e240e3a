"""A registry with a certificate of a private CA, as a process beside the cluster's nodes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from cluster import images
from cluster.cluster import Cluster
from kube import Manifest
from outside_service import outside_service

# A name as in a company: no resolver has it, so pods get it as a host alias.
HOST = "registry.corp.example"
USER, PASSWORD = "ci", "secret-word"
# The password as htpasswd -B writes it, with the fewest rounds
_HTPASSWD = f"{USER}:$2b$04$mldxcZcKm3O9XQ/7BcBMq.aG9sGqQ0PKQK6vozNSDQt0wOYSYhcvi\n"


@dataclass(frozen=True)
class PrivateRegistry:
    """A running registry with one image, and the certificate of its CA, in PEM."""

    address: str
    port: int
    ca: str

    @property
    def name(self) -> str:
        """The name by which the daemons know the registry."""
        return f"{HOST}:{self.port}"

    @property
    def image(self) -> str:
        return f"{self.name}/team/busybox:1"

    @property
    def host_aliases(self) -> list[Manifest]:
        return [{"ip": self.address, "hostnames": [HOST]}]


@contextmanager
def private_registry(node: Cluster, folder: Path, port: int, *, with_password: bool) -> Iterator[PrivateRegistry]:
    """Start Distribution with TLS, and push an image to it. With a password, each request needs it."""
    authority = trustme.CA()
    address = str(node.record.link.control_plane)
    certificate = authority.issue_cert(HOST, address)
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    tls = {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")}
    (folder / "htpasswd").write_text(_HTPASSWD)
    auth = {"auth": {"htpasswd": {"realm": "company", "path": str(folder / "htpasswd")}}} if with_password else {}
    config = folder / "registry.json"
    config.write_text(
        json.dumps(
            {
                "version": 0.1,
                "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
                "http": {"addr": f":{port}", "tls": tls},
                **auth,
            }
        )
    )
    registry = PrivateRegistry(address, port, authority.cert_pem.bytes().decode())
    with outside_service(node, "private-registry", ["docker-registry", "serve", config], port):
        source = f"oci-archive:{images.BUSYBOX.archive(node.cache)}"
        target = f"docker://{address}:{port}/{registry.image.partition('/')[2]}"
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
        node.sandbox.run("filling the private registry", *copy, f"--dest-creds={USER}:{PASSWORD}", source, target)
        yield registry
