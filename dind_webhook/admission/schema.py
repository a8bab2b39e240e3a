"""msgspec structs for the members of an AdmissionReview that we use; msgspec skips all others."""

from msgspec import Raw, Struct, field
from msgspec.json import Decoder

from dind_webhook.model import ObjectName, PodShape


class ResourceShape(Struct, gc=False):
    """The `resource` of a request."""

    group: str | None = None
    resource: str | None = None


class UserShape(Struct, gc=False):
    """The `userInfo` of a request."""

    username: str | None = None


class _Request(Struct, gc=False, rename="camel"):
    uid: ObjectName
    resource: ResourceShape
    operation: str | None = None
    sub_resource: str | None = None
    namespace: str | None = None
    user_info: UserShape | None = None


class RequestOfPod(_Request, gc=False, rename="camel"):
    """The `request` of a review whose object is a pod."""

    pod: PodShape | None = field(name="object", default=None)


class RequestOfAny(_Request, gc=False, rename="camel"):
    """The `request` of a review whose object stays JSON text."""

    pod: Raw = field(name="object", default=Raw(b"null"))


class _Review(Struct, gc=False, rename="camel"):
    kind: str | None = None
    api_version: str | None = None


class ReviewOfPod(_Review, gc=False, rename="camel"):
    """An AdmissionReview whose object is a pod. All members are optional: the caller checks `kind`."""

    request: RequestOfPod | None = None


class ReviewOfAny(_Review, gc=False, rename="camel"):
    """An AdmissionReview whose object stays JSON text. All members are optional."""

    request: RequestOfAny | None = None


read_review_of_pod = Decoder(ReviewOfPod).decode
read_review_of_any = Decoder(ReviewOfAny).decode
