"""Composition root of the serving process: settings in, running servers out."""

from app.server.serve import serve

__all__ = ["serve"]
