"""Composition root of the serving process, and what any process with a port is made of."""

from app.server.connection import ConnectionLimits
from app.server.fairness import ByteBudget, ConnectionPool
from app.server.memory import return_large_blocks
from app.server.serve import serve
from app.server.server import Server, bind, health_server
from app.server.stop import Stop

__all__ = [
    "ByteBudget",
    "ConnectionLimits",
    "ConnectionPool",
    "Server",
    "Stop",
    "bind",
    "health_server",
    "return_large_blocks",
    "serve",
]
