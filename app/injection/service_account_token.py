"""The service account token, which every container gets that has nothing at its place."""

from app.model import Mount, Pod, clean_path

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # a path
_CLEAN_TOKEN_PATH = clean_path(TOKEN_PATH)
_VOLUME_PREFIX = "kube-api-access-"


def token_mounts(pod: Pod) -> tuple[Mount, ...]:
    """Return the mount of the pod's token, none where it has none.

    The API server's ServiceAccount plugin (plugin/pkg/admission/serviceaccount in kubernetes) comes by once more after
    webhooks. A container of ours that has no token by then is given it, and a pod that is changed after us comes to us
    a second time.
    """
    # Of that name may also be what somebody else chose: only a projected volume holds a token.
    names = {
        name for name, volume in pod.volumes.items() if name.startswith(_VOLUME_PREFIX) and volume.kind == "projected"
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
