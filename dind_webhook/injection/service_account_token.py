"""The service account token, which every container gets unless it mounts another volume at that path."""

from dind_webhook.model import Mount, Pod, clean_path

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # a path
_CLEAN_TOKEN_PATH = clean_path(TOKEN_PATH)
TOKEN_VOLUME_PREFIX = "kube-api-access-"  # noqa: S105  # a name


def token_mounts(pod: Pod) -> tuple[Mount, ...]:
    """Return the mount of the pod's token, or nothing if the pod has no token.

    The API server runs its ServiceAccount plugin (plugin/pkg/admission/serviceaccount) again after the webhooks. The
    plugin adds the token to a container of ours that lacks it, and after such a change the API server calls the webhook
    again.
    """
    # The author of a pod may use the prefix for another volume: only a projected volume holds a token.
    names = {
        name
        for name, volume in pod.volumes.items()
        if name.startswith(TOKEN_VOLUME_PREFIX) and volume.kind == "projected"
    }
    if not names:
        return ()
    mounts = (mount for container in pod.containers for mount in container.mounts)
    return next(
        (
            (mount.without_propagation(),)
            for mount in mounts
            if mount.volume in names and mount.path == _CLEAN_TOKEN_PATH
        ),
        (),
    )
