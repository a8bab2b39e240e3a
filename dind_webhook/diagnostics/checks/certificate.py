"""The certificate that the server serves, and the CA that the API server trusts."""

import ipaddress
from collections.abc import Iterator
from datetime import timedelta

from cryptography import x509

from dind_webhook.certificate_names import subject_alt_names
from dind_webhook.diagnostics.check import Category, Check, Problem
from dind_webhook.diagnostics.snapshot import ServerEndpoint, Snapshot, bundle_of, server_name_of, webhooks_of
from dind_webhook.timestamps import format_timestamp

# The chart's certificates are renewed when a third of their lifetime remains.
_LAST_SHARE_OF_LIFE = 1 / 5
_RENEWAL_HINT = (
    "self-managed: see `kubectl -n {system} logs deploy/{server} -c certs` for why it was not renewed; cert-manager: "
    "see `kubectl -n {system} describe certificate`; your own Secret: put a new certificate into it"
)


def _load_cas(bundle: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(bundle)
    except ValueError:
        return []


def check_ca_bundle(snapshot: Snapshot) -> Iterator[Problem]:
    entries = webhooks_of(snapshot.configuration)
    for name, entry in entries.items():
        bundle = bundle_of(entry)
        if not bundle and "service" in entry["clientConfig"]:
            yield Problem(f"{name} has no caBundle")
        elif bundle and not _load_cas(bundle):
            yield Problem(f"the caBundle of {name} contains no PEM certificate")
    if len({bundle_of(entry) for entry in entries.values()}) > 1:
        yield Problem("the webhooks have different caBundles")


def check_ca_valid(snapshot: Snapshot) -> Iterator[Problem]:
    for name, entry in webhooks_of(snapshot.configuration).items():
        cas = _load_cas(bundle_of(entry))
        if cas and not any(ca.not_valid_before_utc <= snapshot.taken_at < ca.not_valid_after_utc for ca in cas):
            last_expiry = max(ca.not_valid_after_utc for ca in cas)
            yield Problem(
                f"every CA in the caBundle of {name} has expired, the last one at {format_timestamp(last_expiry)}"
            )


def check_answers(snapshot: Snapshot) -> Iterator[Problem]:
    for endpoint in snapshot.endpoints:
        if endpoint.connection_error:
            yield Problem(f"{endpoint.address}: {endpoint.connection_error}")


def _served_certificates(snapshot: Snapshot) -> Iterator[tuple[ServerEndpoint, x509.Certificate]]:
    for endpoint in snapshot.endpoints:
        if endpoint.certificate:
            yield endpoint, x509.load_der_x509_certificate(endpoint.certificate)


def check_certificate_trusted(snapshot: Snapshot) -> Iterator[Problem]:
    for endpoint, certificate in _served_certificates(snapshot):
        if endpoint.trust_error:
            issuer = certificate.issuer.rfc4514_string()
            yield Problem(f"{endpoint.address} serves a certificate of {issuer}: {endpoint.trust_error}")


def check_certificate_name(snapshot: Snapshot) -> Iterator[Problem]:
    expected_names = sorted({server_name_of(entry) for entry in webhooks_of(snapshot.configuration).values()})
    for endpoint, certificate in _served_certificates(snapshot):
        names = subject_alt_names(certificate)
        for name in expected_names:
            if not any(_matches_host(pattern, name) for pattern in names):
                yield Problem(
                    f"{endpoint.address} serves a certificate for {', '.join(names) or 'no host'}, not for {name}",
                    {"name": name},
                )


def _matches_host(pattern: str, name: str) -> bool:
    """Return whether a name in a certificate matches a host; a wildcard matches one label (RFC 6125, section 6.4.3)."""
    try:
        return ipaddress.ip_address(pattern) == ipaddress.ip_address(name)
    except ValueError:
        pattern, name = pattern.lower(), name.lower()
        return pattern == name or (pattern.startswith("*.") and pattern[2:] == name.partition(".")[2])


def check_certificate_valid(snapshot: Snapshot) -> Iterator[Problem]:
    for endpoint, certificate in _served_certificates(snapshot):
        if snapshot.taken_at >= certificate.not_valid_after_utc:
            expiry = format_timestamp(certificate.not_valid_after_utc)
            yield Problem(f"{endpoint.address} serves a certificate that expired at {expiry}")
        elif snapshot.taken_at < certificate.not_valid_before_utc:
            start = format_timestamp(certificate.not_valid_before_utc)
            yield Problem(f"{endpoint.address} serves a certificate that is not valid before {start}")


def check_certificate_renewed(snapshot: Snapshot) -> Iterator[Problem]:
    for endpoint, certificate in _served_certificates(snapshot):
        remaining = certificate.not_valid_after_utc - snapshot.taken_at
        lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        if timedelta(0) < remaining < lifetime * _LAST_SHARE_OF_LIFE:
            expiry = format_timestamp(certificate.not_valid_after_utc)
            yield Problem(f"{endpoint.address} serves a certificate that expires at {expiry}")


CHECKS: tuple[Check, ...] = (
    Check(
        name="ca-bundle",
        category=Category.CERTIFICATE,
        statement="The webhook configuration has a CA",
        fatal=True,
        hint="self-managed: see `kubectl -n {system} logs deploy/{server} -c certs` for why it is not written; "
        "cert-manager: check that its cainjector runs; your own Secret: set the chart's tls.existingSecret.caBundle",
        of_webhook=True,
        requires=("configurations",),
        after=("installed",),
        find_problems=check_ca_bundle,
    ),
    Check(
        name="ca-valid",
        category=Category.CERTIFICATE,
        statement="The CA has not expired",
        fatal=True,
        hint=_RENEWAL_HINT,
        of_webhook=True,
        requires=("configurations",),
        after=("installed", "ca-bundle"),
        find_problems=check_ca_valid,
    ),
    Check(
        name="answers",
        category=Category.CERTIFICATE,
        statement="The server answers TLS handshakes at every endpoint",
        fatal=True,
        hint="see `kubectl -n {system} logs deploy/{server}`",
        of_webhook=True,
        requires=("endpoints",),
        after=("installed",),
        find_problems=check_answers,
    ),
    Check(
        name="certificate-trusted",
        category=Category.CERTIFICATE,
        statement="The CA in caBundle has issued the certificate that the server serves",
        fatal=True,
        hint="self-managed: `kubectl -n {system} rollout restart deploy/{server}` writes both again; cert-manager: "
        "check that its cainjector runs; your own Secret: set tls.existingSecret.caBundle to the CA of that "
        "certificate",
        of_webhook=True,
        requires=("endpoints",),
        after=("installed", "ca-bundle", "answers"),
        find_problems=check_certificate_trusted,
    ),
    Check(
        name="certificate-name",
        category=Category.CERTIFICATE,
        statement="The certificate is for the host that the API server calls",
        fatal=True,
        hint="self-managed: `kubectl -n {system} rollout restart deploy/{server}` renews it; otherwise issue a "
        "certificate whose subjectAltName has {name}",
        of_webhook=True,
        requires=("configurations", "endpoints"),
        after=("installed", "answers"),
        find_problems=check_certificate_name,
    ),
    Check(
        name="certificate-valid",
        category=Category.CERTIFICATE,
        statement="The certificate is valid now",
        fatal=True,
        hint=_RENEWAL_HINT,
        of_webhook=True,
        requires=("endpoints",),
        after=("installed", "answers"),
        find_problems=check_certificate_valid,
    ),
    Check(
        name="certificate-renewed",
        category=Category.CERTIFICATE,
        statement="The certificate is renewed in time",
        hint=_RENEWAL_HINT,
        of_webhook=True,
        requires=("endpoints",),
        after=("installed", "answers"),
        find_problems=check_certificate_renewed,
    ),
)
