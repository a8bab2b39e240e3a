"""Manifests of what the scenarios run, as short as they can be."""

from typing import Any

from kube import Manifest

INJECT = "dind.io/inject"
# The client, as in deploy/examples; make e2e has a stand-in of Debian under this name.
DOCKER = "docker:29.7.2-cli"
BUSYBOX = "busybox:1.37"


def container(script: str, name: str = "build", image: str = DOCKER, **more: Any) -> Manifest:
    return {"name": name, "image": image, "command": ["sh", "-euc", script], **more}


def pod(*containers: Manifest | str, inject: str | None = "sidecar", options: Manifest | None = None, name: str = "ci",
        **spec: Any) -> Manifest:  # fmt: skip
    """Return a pod of containers, a text being the script of one; `options` are annotations without dind.io/."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        **template(*containers, inject=inject, options=options, name=name, **spec),
    }


def template(*containers: Manifest | str, inject: str | None = "sidecar", options: Manifest | None = None,
             name: str | None = None, **spec: Any) -> Manifest:  # fmt: skip
    """Return what stands in a workload's template."""
    annotations = {f"dind.io/{key}": value for key, value in (options or {}).items()}
    if inject is not None:
        annotations[INJECT] = inject
    metadata: Manifest = {"annotations": annotations}
    if name:
        metadata["name"] = name
    made = [container(one) if isinstance(one, str) else one for one in containers]
    # No seconds are lost at the end of a test; nothing here has to be ended with care.
    return {
        "metadata": metadata,
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": made, **spec},
    }
