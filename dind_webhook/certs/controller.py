"""When the reconciler runs: after a change, from time to time, and again after a failure."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import structlog

from dind_webhook.certs.metrics import CertsMetrics
from dind_webhook.certs.reconciler import CertReconciler
from dind_webhook.errors import ApiError, ConflictError, frames_of

# Seconds between attempts while the API server does not answer: doubled each time, up to the longest
_FIRST_PAUSE = 0.5
_MAX_PAUSE = 8.0
# After a conflict, replicas retry at different moments within this time.
_CONFLICT_PAUSE = 0.2
# Two writers that overwrite each other, as two installs with the same names would, do so at this pace at most.
_MIN_PAUSE = 0.1


class Controller:
    """Runs the reconciler in a loop: after each change, at every resync, and again after a failure."""

    def __init__(self, reconciler: CertReconciler, metrics: CertsMetrics, resync_seconds: float) -> None:
        self._reconciler = reconciler
        self._metrics = metrics
        self._resync_seconds = resync_seconds
        self._changed = threading.Event()
        self._failures = 0
        self._log = structlog.get_logger()

    def run(self) -> None:
        """Reconcile until the process ends."""
        while True:
            self._changed.clear()
            pause = self.reconcile_once()
            time.sleep(_MIN_PAUSE)
            self._changed.wait(pause)

    def watch(self, open_watch: Callable[[], Iterator[None]]) -> None:
        """Trigger a reconciliation at each change, until the process ends.

        A watch that ends or fails is reopened after a pause.
        """
        short = 0
        while True:
            opened = time.monotonic()
            # No watch reports a deletion that happened between two watches, so reconcile at each (re)connect.
            self._changed.set()
            try:
                for _ in open_watch():
                    self._changed.set()
            except ApiError as error:
                self._log.debug("watch lost", problem=str(error))
            short = 0 if time.monotonic() > opened + _MAX_PAUSE else short + 1
            time.sleep(_pause(short))

    def reconcile_once(self) -> float:
        """Reconcile, log a failure, and return the seconds until the next reconciliation is due."""
        try:
            due = self._reconciler.reconcile(datetime.now(UTC))
        except ConflictError:
            self._metrics.count_failure(conflict=True)
            return random.uniform(0, _CONFLICT_PAUSE)  # noqa: S311  # no secret
        except (ApiError, OSError) as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001  # error boundary: the current certificates must stay served
            problem = f"bug: {type(error).__name__} at {frames_of(error)[-1]}"
        else:
            if self._failures:
                self._log.info("certificates reconciled again", failures=self._failures)
            self._failures = 0
            return min(self._resync_seconds, max(0.0, (due - datetime.now(UTC)).total_seconds()))
        self._metrics.count_failure(conflict=False)
        pause = _pause(self._failures)
        self._failures += 1
        self._log.warning("certificates not reconciled", problem=problem, next_try_seconds=round(pause, 1))
        return pause


def _pause(failures: int) -> float:
    longest = min(_MAX_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311  # no secret
