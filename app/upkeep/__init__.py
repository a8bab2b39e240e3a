"""Composition root of the second process of a self-managed install: settings in, certificates kept."""

from app.upkeep.rounds import maintain_certs

__all__ = ["maintain_certs"]
