"""The protocol with the API server: bytes in, bytes out (admission.k8s.io/v1 and v1beta1). Pure."""

from app.admission.review import Review, decide_review, decode_review, encode_review

__all__ = ["Review", "decide_review", "decode_review", "encode_review"]
