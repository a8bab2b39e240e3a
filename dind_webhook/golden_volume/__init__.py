"""Manifests that fill a volume with images, of which the storage of daemons begins as a copy. Pure.

The daemon that fills it is the one that the core injects (docs/decisions/0046).
"""

from dind_webhook.golden_volume.render import Contents, render_snapshot, render_volume

__all__ = ["Contents", "render_snapshot", "render_volume"]
