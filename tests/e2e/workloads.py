"""Build short manifests of pods and workloads."""

from typing import Any

from kube import Manifest

INJECT = "dind.io/inject"
# The Docker client, as in deploy/examples. `make e2e` builds an image with this name.
DOCKER = "docker:29.8.2-cli"
# The daemon of the same version, the chart's default
DAEMON = DOCKER.replace("-cli", "-dind")
BUSYBOX = "busybox:1.37"
# Debian's Docker, without an entrypoint, in an image with this name
OLD_DAEMON = "docker:26.1-dind"
# A script that prints "a daemon" or "no daemon"
ANSWERS = "docker info >/dev/null 2>&1 && echo 'a daemon' || echo 'no daemon'"
# The script of a container that ends only when it is told to
FOREVER = "trap 'exit 0' TERM; while true; do sleep 1; done"


def container(script: str, name: str = "build", image: str = DOCKER, **more: Any) -> Manifest:
    return {"name": name, "image": image, "command": ["sh", "-euc", script], **more}


def pod(*containers: Manifest | str, inject: str | None = "sidecar", options: Manifest | None = None, name: str = "ci",
        **spec: Any) -> Manifest:  # fmt: skip
    """Return a pod with these containers; a string is the script of a container.

    `options` are annotations without their prefix dind.io/.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        **template(*containers, inject=inject, options=options, name=name, **spec),
    }


def template(*containers: Manifest | str, inject: str | None = "sidecar", options: Manifest | None = None,
             name: str | None = None, **spec: Any) -> Manifest:  # fmt: skip
    """Return the pod template of a workload."""
    annotations = {f"dind.io/{key}": value for key, value in (options or {}).items()}
    if inject is not None:
        annotations[INJECT] = inject
    metadata: Manifest = {"annotations": annotations}
    if name:
        metadata["name"] = name
    made = [container(one) if isinstance(one, str) else one for one in containers]
    # No grace period: tests end sooner, and no process needs a clean shutdown.
    return {
        "metadata": metadata,
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": made, **spec},
    }
