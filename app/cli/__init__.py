"""The command line. Each command imports what it needs when it runs, so that none pays for another."""

from app.cli.main import main

__all__ = ["main"]
