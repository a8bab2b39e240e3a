"""How the program speaks to operators: one line per event, JSON or text."""

from app.logs.configure import configure_logs

__all__ = ["configure_logs"]
