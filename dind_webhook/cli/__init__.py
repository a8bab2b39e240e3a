"""The command line. Each command imports its modules when it runs, to keep start-up fast."""

from dind_webhook.cli.main import main

__all__ = ["main"]
