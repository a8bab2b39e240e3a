"""A claim with a Job that pulls and builds into it, and the VolumeSnapshot of the claim."""

from dataclasses import replace
from typing import NamedTuple

import jsonpatch

from dind_webhook.errors import SettingsError
from dind_webhook.injection import (
    DATA_ROOT,
    DISABLED,
    INJECT,
    INJECTED,
    SNAPSHOT_GROUP,
    STATUS,
    Mode,
    Options,
    Outcome,
    Placement,
    Policy,
    StorageMedium,
    inject,
)
from dind_webhook.model import JsonObject

_CONTAINER = "fill"
# The start script reads the file golden. dockerd reads its ID only when it starts, so that without the file each copy
# gets an ID of its own. With --userns-remap, dockerd uses a folder of the name UID.GID.
_SCRIPT = f"""\
set -eu
while [ "$1" != -- ]; do
  docker pull --quiet "$1"
  shift
done
shift
for context; do docker build --quiet "$context"; done
read -r _ node_user _ < /proc/self/uid_map
if [ "$node_user" = 0 ]; then made=none; else made=userns; fi
echo "$made" > {DATA_ROOT}/golden
rm -f {DATA_ROOT}/engine-id {DATA_ROOT}/[0-9]*.[0-9]*/engine-id
"""
# dockerd stops containerd and writes its databases. None of its containers runs then.
_GRACE_SECONDS = 120
_RETRIES = 3


class Contents(NamedTuple):
    """What a golden volume has: images, and the layers of builds, whose contexts `docker build` reads itself."""

    images: tuple[str, ...]
    contexts: tuple[str, ...]


def render_volume(
    policy: Policy, contents: Contents, name: str, namespace: str | None, storage_class: str
) -> list[JsonObject]:
    """Return the claim and the Job that fills it. Raise SettingsError if the settings give no pod such a volume.

    `policy` is the one in force in the namespace. The claim has its `storage-size`, and the StorageClass
    `storage_class` or, if that is empty, the one of the settings or of the cluster.
    """
    _check_settings(policy)
    metadata = _metadata(name, namespace)
    template, claim = _pod_template(policy, contents, name, storage_class)
    job = {"backoffLimit": _RETRIES, "template": template}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim},
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job},
    ]


def render_snapshot(name: str, namespace: str | None, snapshot_class: str) -> JsonObject:
    """Return the VolumeSnapshot of the claim of that name."""
    return {
        "apiVersion": f"{SNAPSHOT_GROUP}/v1",
        "kind": "VolumeSnapshot",
        "metadata": _metadata(name, namespace),
        "spec": {"volumeSnapshotClassName": snapshot_class, "source": {"persistentVolumeClaimName": name}},
    }


def _metadata(name: str, namespace: str | None) -> JsonObject:
    return {"name": name, **({"namespace": namespace} if namespace else {})}


def _check_settings(policy: Policy) -> None:
    if Mode.SIDECAR not in policy.modes:
        raise SettingsError(
            ["injection.modes has no sidecar: pods then use the daemon of their node, which keeps its images itself"]
        )
    if not policy.storage:
        raise SettingsError(
            [f"injection.storage is false: no pod has a volume at {DATA_ROOT}, which could be a copy; set it to true"]
        )
    if not policy.defaults.storage_size:
        raise SettingsError(["injection.defaults.storage-size is empty: a volume needs a size; set it"])


def _pod_template(
    policy: Policy, contents: Contents, claim_name: str, storage_class: str
) -> tuple[JsonObject, JsonObject]:
    """Return the pod that the core injects, with a claim as the daemon's storage, and the spec of the claim."""
    own = replace(policy, defaults=_options(policy.defaults, storage_class))
    container = {
        "name": _CONTAINER,
        # The image of the daemon has the client.
        "image": policy.defaults.image,
        "command": ["sh", "-c", _SCRIPT, _CONTAINER],
        "args": [*contents.images, "--", *contents.contexts],
        "securityContext": {"runAsUser": 0},
    }
    pod: JsonObject = {
        "metadata": {"annotations": {INJECT: str(Mode.SIDECAR)}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "containers": [container],
        },
    }
    decision = inject(pod, None, own)
    if decision.outcome is not Outcome.INJECTED:
        raise SettingsError([f"these settings do not inject the pod that fills the volume: {decision.message}"])
    injected: JsonObject = jsonpatch.apply_patch(pod, list(decision.operations))
    spec = injected["spec"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == policy.storage_volume)
    claim = volume.pop("ephemeral")["volumeClaimTemplate"]["spec"]
    volume["persistentVolumeClaim"] = {"claimName": claim_name}
    spec["containers"][0]["volumeMounts"].append({"name": policy.storage_volume, "mountPath": DATA_ROOT})
    # The webhook would take this volume for one that somebody else has put there.
    annotations = {key: text for key, text in injected["metadata"]["annotations"].items() if key != STATUS}
    labels = {key: text for key, text in injected["metadata"].get("labels", {}).items() if key != INJECTED}
    metadata = {"annotations": {**annotations, INJECT: DISABLED}, **({"labels": labels} if labels else {})}
    return {"metadata": metadata, "spec": spec}, claim


def _options(options: Options, storage_class: str) -> Options:
    """Return the options of the pod: an own daemon that ends with the other container, and storage on a claim."""
    return replace(
        options,
        containers=(),
        placement=Placement.NATIVE,
        storage_medium=StorageMedium.VOLUME,
        storage_class=storage_class or options.storage_class,
        storage_data_source=None,
    )
