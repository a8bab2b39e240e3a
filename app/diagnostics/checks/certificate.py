"""The certificate that the server serves, and what the API server trusts."""

import base64
import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509

from app.diagnostics.check import Category, Check, Problem
from app.diagnostics.snapshot import ServerEndpoint, Snapshot, entries_of
from app.model import JsonObject

# Certificates of the chart are renewed with a third of their lives left.
_LATE = 1 / 5
_RENEW = (
    "self-managed: `kubectl -n {system} logs deploy/{server} -c certs` says why it was not renewed; cert-manager: "
    "`kubectl -n {system} describe certificate`; a Secret of your own: put a new certificate into it"
)


def bundle_of(entry: JsonObject) -> bytes:
    """Return the caBundle of a webhook, PEM, empty where there is none."""
    return base64.b64decode(entry["clientConfig"].get("caBundle") or "")


def server_name_of(entry: JsonObject) -> str:
    """Return the name that the API server expects in the certificate."""
    client = entry["clientConfig"]
    if service := client.get("service"):
        return f"{service['name']}.{service['namespace']}.svc"
    return urlsplit(client.get("url", "")).hostname or ""


def _cas(bundle: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(bundle)
    except ValueError:
        return []


def _bundles(snapshot: Snapshot) -> Iterator[Problem]:
    entries = entries_of(snapshot.configuration)
    for name, entry in entries.items():
        bundle = bundle_of(entry)
        if not bundle and "service" in entry["clientConfig"]:
            yield Problem(f"{name} has no caBundle")
        elif bundle and not _cas(bundle):
            yield Problem(f"the caBundle of {name} holds no certificate in PEM")
    if len({bundle_of(entry) for entry in entries.values()}) > 1:
        yield Problem("the webhooks differ in their caBundle")


def _ca_valid(snapshot: Snapshot) -> Iterator[Problem]:
    for name, entry in entries_of(snapshot.configuration).items():
        cas = _cas(bundle_of(entry))
        if cas and not any(one.not_valid_before_utc <= snapshot.at < one.not_valid_after_utc for one in cas):
            last = max(one.not_valid_after_utc for one in cas)
            yield Problem(f"every CA in the caBundle of {name} has expired, the last one at {_time(last)}")


def _answers(snapshot: Snapshot) -> Iterator[Problem]:
    for endpoint in snapshot.endpoints:
        if endpoint.silent:
            yield Problem(f"{endpoint.place}: {endpoint.silent}")


def _served(snapshot: Snapshot) -> Iterator[tuple[ServerEndpoint, x509.Certificate]]:
    for endpoint in snapshot.endpoints:
        if endpoint.certificate:
            yield endpoint, x509.load_der_x509_certificate(endpoint.certificate)


def _trusted(snapshot: Snapshot) -> Iterator[Problem]:
    for endpoint, certificate in _served(snapshot):
        if endpoint.untrusted:
            issuer = certificate.issuer.rfc4514_string()
            yield Problem(f"{endpoint.place} serves a certificate of {issuer}: {endpoint.untrusted}")


def _named(snapshot: Snapshot) -> Iterator[Problem]:
    wanted = sorted({server_name_of(entry) for entry in entries_of(snapshot.configuration).values()})
    for endpoint, certificate in _served(snapshot):
        names = _names(certificate)
        for name in wanted:
            if not any(_matches(pattern, name) for pattern in names):
                yield Problem(
                    f"{endpoint.place} serves a certificate for {', '.join(names) or 'no name'}, not for {name}",
                    {"name": name},
                )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def _matches(pattern: str, name: str) -> bool:
    """Whether a name in a certificate is that of a host; a wildcard stands for one label (RFC 6125, section 6.4.3)."""
    try:
        return ipaddress.ip_address(pattern) == ipaddress.ip_address(name)
    except ValueError:
        pattern, name = pattern.lower(), name.lower()
        return pattern == name or (pattern.startswith("*.") and pattern[2:] == name.partition(".")[2])


def _valid(snapshot: Snapshot) -> Iterator[Problem]:
    for endpoint, certificate in _served(snapshot):
        if snapshot.at >= certificate.not_valid_after_utc:
            yield Problem(
                f"{endpoint.place} serves a certificate that expired at {_time(certificate.not_valid_after_utc)}"
            )
        elif snapshot.at < certificate.not_valid_before_utc:
            start = _time(certificate.not_valid_before_utc)
            yield Problem(f"{endpoint.place} serves a certificate that is not valid before {start}")


def _renewed(snapshot: Snapshot) -> Iterator[Problem]:
    for endpoint, certificate in _served(snapshot):
        left = certificate.not_valid_after_utc - snapshot.at
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        if timedelta(0) < left < life * _LATE:
            yield Problem(
                f"{endpoint.place} serves a certificate that expires at {_time(certificate.not_valid_after_utc)}"
            )


def _time(moment: datetime) -> str:
    return f"{moment:%FT%TZ}"


CHECKS: tuple[Check, ...] = (
    Check(
        "ca-bundle",
        Category.CERTIFICATE,
        "The API server has been given a CA for the webhook",
        True,
        "self-managed: `kubectl -n {system} logs deploy/{server} -c certs` says why caBundle is not kept; "
        "cert-manager: see that its cainjector runs; a Secret of your own: set the chart's tls.existingSecret.caBundle",
        ("configurations",),
        _bundles,
        ("installed",),
    ),
    Check(
        "ca-valid",
        Category.CERTIFICATE,
        "That CA has not expired",
        True,
        _RENEW,
        ("configurations",),
        _ca_valid,
        ("installed", "ca-bundle"),
    ),
    Check(
        "answers",
        Category.CERTIFICATE,
        "The server answers TLS at every endpoint",
        True,
        "`kubectl -n {system} logs deploy/{server}` says what it does",
        ("endpoints",),
        _answers,
        ("installed",),
    ),
    Check(
        "certificate-trusted",
        Category.CERTIFICATE,
        "caBundle leads to the certificate that is served",
        True,
        "self-managed: `kubectl -n {system} rollout restart deploy/{server}` writes both anew; cert-manager: see that "
        "its cainjector runs; a Secret of your own: set tls.existingSecret.caBundle to the CA of that certificate",
        ("endpoints",),
        _trusted,
        ("installed", "ca-bundle", "answers"),
    ),
    Check(
        "certificate-name",
        Category.CERTIFICATE,
        "It is for the name that the API server calls",
        True,
        "issue a certificate whose subjectAltName has {name}; self-managed ones are renewed by "
        "`kubectl -n {system} rollout restart deploy/{server}`",
        ("configurations", "endpoints"),
        _named,
        ("installed", "answers"),
    ),
    Check(
        "certificate-valid",
        Category.CERTIFICATE,
        "It is valid at this time",
        True,
        _RENEW,
        ("endpoints",),
        _valid,
        ("installed", "answers"),
    ),
    Check(
        "certificate-renewed",
        Category.CERTIFICATE,
        "It is renewed in time",
        False,
        _RENEW,
        ("endpoints",),
        _renewed,
        ("installed", "answers"),
    ),
)
