"""Create the PKI of a cluster: one CA, and a certificate and a kubeconfig for each component."""

import base64
import json
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


class Pki:
    """Writes certificates into a folder. Users and groups are those of Kubernetes' built-in role bindings."""

    def __init__(self, folder: Path, server: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._server = server
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(self.ca)

    @property
    def ca(self) -> Path:
        return self._folder / "ca.crt"

    def server(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """Return the paths of the certificate and the key of a server with these names."""
        return self._write(name, self._authority.issue_cert(*hosts, common_name=hosts[0]))

    def client(self, name: str, user: str, group: str) -> tuple[Path, Path]:
        """Return the paths of the certificate and the key of a client with this user and group."""
        issued = self._authority.issue_cert(user.replace(":", "-"), common_name=user, organization_name=group)
        return self._write(name, issued)

    def kubeconfig(self, name: str, user: str, group: str, target: Path | None = None) -> Path:
        """Return the path of a self-contained kubeconfig for a component with this user and group."""
        certificate, key = self.client(name, user, group)
        target = target or self._folder / f"{name}.kubeconfig"
        authority = {"certificate-authority-data": _encode(self.ca)}
        identity = {"client-certificate-data": _encode(certificate), "client-key-data": _encode(key)}
        clusters = [{"name": "e2e", "cluster": {"server": self._server, **authority}}]
        users = [{"name": name, "user": identity}]
        contexts = [{"name": "e2e", "context": {"cluster": "e2e", "user": name}}]
        # JSON is YAML.
        target.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": clusters,
                    "users": users,
                    "contexts": contexts,
                    "current-context": "e2e",
                }
            )
        )
        target.chmod(0o600)
        return target

    def service_account_keys(self) -> tuple[Path, Path]:
        """Return the paths of the public and the private key for service account tokens."""
        public, private = self._folder / "sa.pub", self._folder / "sa.key"
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return public, private

    def ssh_key(self, target: Path) -> bytes:
        """Write the private key for logging in on the virtual machine, and return its line for authorized_keys."""
        key = ed25519.Ed25519PrivateKey.generate()
        target.touch(mode=0o600)
        target.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"

    def _write(self, name: str, issued: trustme.LeafCert) -> tuple[Path, Path]:
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        issued.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        for index, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(certificate, append=index > 0)
        return certificate, key


def _encode(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
