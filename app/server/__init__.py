"""Composition root of the serving process: settings in, running servers out."""

from app.server.serve import Endpoints, serve

__all__ = ["Endpoints", "serve"]
