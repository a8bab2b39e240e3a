"""Names of objects and containers."""

import re

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_dns_label(text: str) -> bool:
    """Whether `text` is an RFC 1123 label: what names a container or a volume."""
    return _DNS_LABEL.fullmatch(text) is not None


def is_dns_subdomain(text: str) -> bool:
    """Whether `text` is an RFC 1123 subdomain: what names a StorageClass."""
    return len(text) <= 253 and _DNS_SUBDOMAIN.fullmatch(text) is not None
