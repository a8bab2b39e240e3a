"""The program's log: one line per event, as JSON or text."""

from dind_webhook.logs.batch import BatchLogger
from dind_webhook.logs.configure import LEVELS, configure_logs, log_level, set_log_level

__all__ = ["LEVELS", "BatchLogger", "configure_logs", "log_level", "set_log_level"]
