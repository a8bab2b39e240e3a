"""Fixtures that start webhooks."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from webhook_process import Serve, Webhook, run_program


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def pair(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write a certificate for localhost and its key to files."""
    folder = tmp_path_factory.mktemp("tls")
    leaf = authority.issue_cert("localhost")
    cert, key = folder / "tls.crt", folder / "tls.key"
    leaf.cert_chain_pems[0].write_to_path(cert)
    leaf.private_key_pem.write_to_path(key)
    return cert, key


@pytest.fixture(scope="session")
def serve(authority: trustme.CA, pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Return a function that runs a webhook with these files and server settings until the end of the block."""
    context = ssl.create_default_context()
    authority.configure_trust(context)

    @contextmanager
    def start(files: tuple[Path, Path] = pair, **settings: object) -> Iterator[Webhook]:
        given = {"GRACE_SECONDS": 0.1, **settings}
        environ = {f"DIND_WEBHOOK_SERVER__{name}": str(value) for name, value in given.items()}
        log_file = tmp_path_factory.mktemp("webhook") / "log"
        flags = ["--tls-cert-file", files[0], "--tls-key-file", files[1], "--host", "127.0.0.1"]
        with run_program(["serve", *flags, "--port", 0, "--health-port", 0], environ, log_file) as process:
            webhook = Webhook(process, log_file, context=context)
            line = webhook.wait_for_log("listening")
            webhook.port, webhook.health_port = line["port"], line["health_port"]
            yield webhook

    return start


@pytest.fixture(scope="module")
def webhook(serve: Serve) -> Iterator[Webhook]:
    """Run a webhook with the built-in settings, one for each module."""
    with serve() as running:
        yield running
