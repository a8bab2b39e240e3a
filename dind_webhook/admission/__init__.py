"""The protocol with the API server: bytes in, bytes out (admission.k8s.io/v1 and v1beta1). Pure."""

from dind_webhook.admission.paths import NAMESPACE_REQUESTS, NamespaceRequest
from dind_webhook.admission.review import Review, decide_review, decode_review, encode_review

__all__ = ["NAMESPACE_REQUESTS", "NamespaceRequest", "Review", "decide_review", "decode_review", "encode_review"]
