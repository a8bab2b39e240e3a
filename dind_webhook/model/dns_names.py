"""DNS names, the form of the names of Kubernetes objects (RFC 1123)."""

import re

# The longest RFC 1123 subdomain, and so the longest name of an object in Kubernetes
MAX_NAME_LENGTH = 253
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_dns_label(text: str) -> bool:
    """Return whether `text` is an RFC 1123 label, the form of container and volume names."""
    return _DNS_LABEL.fullmatch(text) is not None


def is_dns_subdomain(text: str) -> bool:
    """Return whether `text` is an RFC 1123 subdomain, the form of StorageClass names."""
    return len(text) <= MAX_NAME_LENGTH and _DNS_SUBDOMAIN.fullmatch(text) is not None


def is_dns_name(text: str) -> bool:
    """Return whether `text` is a name that DNS can resolve: a subdomain in which each part is a label."""
    return len(text) <= MAX_NAME_LENGTH and all(map(is_dns_label, text.split(".")))
