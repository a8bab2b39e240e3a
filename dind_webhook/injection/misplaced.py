"""Keys of injection on a workload instead of on its pod template, where they have no effect."""

from typing import Any, NamedTuple

from dind_webhook.injection.constants import INJECT, PREFIX
from dind_webhook.model import PodTemplate, as_object


class MisplacedKey(NamedTuple):
    """An annotation, or the label that requests Docker, and the place in the workload where it belongs."""

    key: str
    value: Any
    kind: str
    target: str

    def __str__(self) -> str:
        what = self.target.rpartition(".")[2].removesuffix("s")
        return (
            f"{what} {self.key} is on the {self.kind}, not on its pod template, and has no effect; "
            f"move it to {self.target}"
        )


def misplaced_keys(template: PodTemplate) -> tuple[MisplacedKey, ...]:
    """Return the keys that are on the workload but not on its pod template, each once."""
    own = as_object(template.pod.get("metadata"))
    kind, path = str(template.owner.get("kind")).lower(), template.pointer[1:].replace("/", ".")
    found: dict[str, MisplacedKey] = {}
    for metadata in template.outer_metadata():
        for member in ("annotations", "labels"):
            target = f"{path}.metadata.{member}"
            for key, value in as_object(metadata.get(member)).items():
                is_ours = key.startswith(PREFIX) if member == "annotations" else key == INJECT
                if is_ours and key not in as_object(own.get(member)):
                    found[f"{target}/{key}"] = MisplacedKey(key, value, kind, target)
    return tuple(found.values())
