"""Composition root of the serving process, and what any process with a port is made of."""

from app.server.connection import Door
from app.server.serve import serve
from app.server.server import Server, bind
from app.server.stop import Stop

__all__ = ["Door", "Server", "Stop", "bind", "serve"]
