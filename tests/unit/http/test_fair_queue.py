"""FairQueue: the order of jobs of several addresses."""

import asyncio
import time

from dind_webhook.http import FairQueue


def work(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


async def order_of(jobs: list[tuple[str, float]]) -> list[str]:
    """Queue all jobs at the same time, given as address and duration in seconds. Return the order of execution."""
    queue = FairQueue()
    done: list[str] = []

    def job(address: str, seconds: float) -> None:
        work(seconds)
        done.append(address)

    for address, seconds in jobs:
        queue.run(address, lambda address=address, seconds=seconds: job(address, seconds))
    while len(done) < len(jobs):  # noqa: ASYNC110  # the test counts iterations of the event loop
        await asyncio.sleep(0)
    return done


def test_a_job_is_done_at_once_while_there_is_time() -> None:
    async def run() -> list[int]:
        done: list[int] = []
        FairQueue().run("a", lambda: done.append(1))
        return done

    assert asyncio.run(run()) == [1]


def test_work_of_earlier_turns_of_the_event_loop_does_not_count() -> None:
    async def run() -> list[int]:
        queue = FairQueue()
        done: list[int] = []
        queue.run("a", lambda: work(0.02))
        await asyncio.sleep(0)
        queue.run("a", lambda: done.append(1))
        return done

    assert asyncio.run(run()) == [1]


def test_one_address_cannot_hold_up_another() -> None:
    found = asyncio.run(order_of([("a", 0.02)] * 20 + [("b", 0.0)] * 2))
    assert found.index("b") <= 2, "after what ran already, and one more of the first"
    assert [place for place, address in enumerate(found) if address == "b"] == [2, 4]


def test_between_jobs_the_event_loop_does_other_things() -> None:
    async def count_turns_of_the_loop() -> int:
        queue, done, seen = FairQueue(), 0, 0

        def job() -> None:
            nonlocal done
            work(0.02)
            done += 1

        for _ in range(5):
            queue.run("a", job)
        while done < 5:
            await asyncio.sleep(0)
            seen += 1
        return seen

    assert asyncio.run(count_turns_of_the_loop()) >= 4


def test_jobs_go_on_after_one_that_fails() -> None:
    async def run() -> list[int]:
        queue = FairQueue()
        done: list[int] = []
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        def fail() -> None:
            raise RuntimeError

        queue.run("a", lambda: work(0.02))
        queue.run("a", fail)
        queue.run("a", lambda: done.append(1))
        while not done:  # noqa: ASYNC110  # no event signals the change
            await asyncio.sleep(0)
        return done

    assert asyncio.run(run()) == [1]
