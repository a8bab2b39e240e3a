"""Container image references, by the grammar of github.com/distribution/reference."""

import re
from functools import lru_cache
from typing import NamedTuple

_DOMAIN_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
# As `docker images` prints it. It has the form of a name, and the grammar makes an exception.
_ID = re.compile("(?:sha256:)?[0-9a-f]{64}")


class ImageReference(NamedTuple):
    """The parts of an image reference. Docker Hub's implied domain and `library/` are filled in."""

    domain: str
    path: str
    tag: str
    digest: str

    @property
    def canonical(self) -> str:
        """The full reference: `docker:29-dind` is `docker.io/library/docker:29-dind`."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.domain}/{self.path}{tag}{digest}"


@lru_cache(maxsize=256)
def parse_image(text: str) -> ImageReference:
    """Return the parts of an image reference. Raise ValueError if the text is not one."""
    match = _REFERENCE.fullmatch(text) if len(text) <= 1024 else None
    if match is None:
        raise ValueError("is not an image reference such as registry.example/ci/docker:29-dind")
    if _ID.fullmatch(text):
        raise ValueError("is the ID of an image, which cannot be pulled; write its name")
    domain, path = match["domain"] or "", match["path"]
    # Without a dot, a port or "localhost", the first component is a folder of Docker Hub.
    if domain and not ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        domain, path = "", f"{domain}/{path}"
    if domain in ("", "docker.io", "index.docker.io"):
        domain, path = "docker.io", path if "/" in path else f"library/{path}"
    if len(f"{domain}/{path}") > 255:
        raise ValueError("has a repository name of more than 255 characters")
    return ImageReference(domain, path, match["tag"] or "", match["digest"] or "")
