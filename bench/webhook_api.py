"""The only imports from dind-webhook in the benchmarks; all other uses go through its command."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import dind_webhook.injection.patch
from dind_webhook.admission import NamespaceRequest, decide_review, decode_review, encode_review
from dind_webhook.certs import issue_throwaway_cert
from dind_webhook.certs.atomic_writer import write_pair
from dind_webhook.injection import inject
from dind_webhook.settings import InjectionSettings, make_policy

JsonObject: TypeAlias = dict[str, Any]

IS_COMPILED = dind_webhook.injection.patch.__file__.endswith(".so")
_POLICY = make_policy(InjectionSettings())


def answer_review(body: bytes) -> bytes:
    """Return the encoded response to an encoded AdmissionReview, without HTTP."""
    review = decode_review(body)
    return encode_review(review, decide_review(review, NamespaceRequest(None), _POLICY))


def make_patch(pod: JsonObject) -> list[JsonObject]:
    """Return the JSONPatch for a pod."""
    return [dict(operation) for operation in inject(pod, None, _POLICY).operations]


def write_certificate(folder: Path, host: str) -> bytes:
    """Replace tls.crt and tls.key at once, as the certs process does; return the new certificate and its CA in PEM."""
    pair = issue_throwaway_cert(["localhost", host], datetime.now(UTC), timedelta(days=1))
    write_pair(folder, pair)
    return pair.cert
