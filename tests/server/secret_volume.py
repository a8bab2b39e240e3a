"""Write certificates to files as kubelet does for the volume of a Secret."""

import shutil
from itertools import count
from pathlib import Path

import trustme


class SecretVolume:
    """The volume of a Secret: its files are links through `..data`, and an update replaces `..data`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self.pair = folder / "tls.crt", folder / "tls.key"
        self.client_ca = folder / "ca.crt"
        for file in (*self.pair, self.client_ca):
            file.symlink_to(Path("..data", file.name))

    def put(self, *contents: bytes | None) -> None:
        """Replace the certificate, the key and the client CA in one step. None removes the file."""
        data, new = self._folder / "..data", self._folder / f"..{next(self._numbers)}"
        new.mkdir()
        for file, content in zip((*self.pair, self.client_ca), contents, strict=False):
            if content is not None:
                (new / file.name).write_bytes(content)
        old = data.resolve() if data.exists() else None
        link = self._folder / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(data)
        if old:
            shutil.rmtree(old)


def pems(leaf: trustme.LeafCert) -> tuple[bytes, bytes]:
    """Return the certificate and its key in PEM."""
    return leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()
