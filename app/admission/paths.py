"""The paths of the webhook: one without a default mode, and one for each mode that a namespace can default to."""

from app.injection import Mode

MODES: tuple[Mode | None, ...] = (None, *Mode)


def mutate_path(mode: Mode | None) -> str:
    """Return the path that the API server calls for pods of namespaces with this default mode, or with none."""
    return "/mutate" if mode is None else f"/mutate/{mode}"
