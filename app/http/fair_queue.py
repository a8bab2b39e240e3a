"""When requests are answered: at once while there is time, in turns of the clients' addresses when there is not."""

from asyncio import get_running_loop
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import TypeAlias

Job: TypeAlias = Callable[[], None]

# How long jobs may run before the event loop polls its sockets again.
WORK_SECONDS = 0.01


class FairQueue:
    """Runs jobs on the event loop so that those of one address cannot hold up those of another."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Job]] = {}
        # Since the event loop looked last
        self._worked = 0.0
        self._is_scheduled = False

    def run(self, address: str, job: Job) -> None:
        """Run a job for an address now, or after those of others have had their turn."""
        if self._queues or self._worked > WORK_SECONDS:
            self._put_off(address, job)
        else:
            self._run_now(job)

    def _run_now(self, job: Job) -> None:
        # Before the job, which may fail
        self._schedule()
        started = perf_counter()
        job()
        self._worked += perf_counter() - started

    def _put_off(self, address: str, job: Job) -> None:
        self._queues.setdefault(address, deque()).append(job)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            get_running_loop().call_soon(self._run_queued)

    def _run_queued(self) -> None:
        self._is_scheduled = False
        self._worked = 0.0
        while self._queues and self._worked <= WORK_SECONDS:
            self._run_now(self._next_job())

    def _next_job(self) -> Job:
        address = next(iter(self._queues))
        queue = self._queues.pop(address)
        job = queue.popleft()
        if queue:
            # Behind the other addresses
            self._queues[address] = queue
        return job
