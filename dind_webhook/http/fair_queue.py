"""Fair queuing: work for clients runs at once while there is time, and in turns by remote address otherwise."""

from asyncio import get_running_loop
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import TypeAlias

Job: TypeAlias = Callable[[], None]

# How long jobs may run before the event loop polls its sockets again
WORK_SECONDS = 0.01


class FairQueue:
    """Runs jobs on the event loop. The jobs of one address cannot delay those of another address for long."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Job]] = {}
        # Since the event loop polled its sockets
        self._worked_seconds = 0.0
        self._is_scheduled = False
        self._is_running = False

    def run(self, address: str, job: Job) -> None:
        """Run a job for an address: now, or in the turn of the address if jobs are queued or 10 ms are used up.

        A job submitted by a running job runs at once, as a part of it.
        """
        if self._is_running:
            job()
        elif self._queues or self._worked_seconds > WORK_SECONDS:
            self._enqueue(address, job)
        else:
            self._run_now(job)

    def _run_now(self, job: Job) -> None:
        # Before the job, which may raise
        self._schedule()
        started = perf_counter()
        self._is_running = True
        try:
            job()
        finally:
            self._is_running = False
            self._worked_seconds += perf_counter() - started

    def _enqueue(self, address: str, job: Job) -> None:
        self._queues.setdefault(address, deque()).append(job)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            get_running_loop().call_soon(self._run_queued)

    def _run_queued(self) -> None:
        self._is_scheduled = False
        self._worked_seconds = 0.0
        while self._queues and self._worked_seconds <= WORK_SECONDS:
            self._run_now(self._next_job())

    def _next_job(self) -> Job:
        address = next(iter(self._queues))
        queue = self._queues.pop(address)
        job = queue.popleft()
        if queue:
            # The address goes to the end of the queue.
            self._queues[address] = queue
        return job
