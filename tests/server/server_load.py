"""Send reviews continuously from several threads."""

import contextlib
import http.client
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from reviews import pod, review
from webhook_process import Webhook, eventually

_BODY = review(pod())
_HEADERS = {"Content-Type": "application/json"}


def send_review(connection: http.client.HTTPSConnection) -> http.client.HTTPResponse:
    """Send one review and read the complete response."""
    connection.request("POST", "/mutate?timeout=5s", _BODY, _HEADERS)
    answer = connection.getresponse()
    answer.read()
    return answer


@dataclass
class Load:
    """Threads that send reviews until the end of the block, and their results."""

    answers: list[http.client.HTTPResponse] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def send_on_connections(self, connections: list[http.client.HTTPSConnection]) -> None:
        """Send reviews on these connections in turn. A connection that the server closes is a failure."""
        for connection in connections:
            connection.connect()
            connection.auto_open = 0
        turns = itertools.cycle(connections)
        self._start(lambda: send_review(next(turns)))

    def send_on_new_connections(self, webhook: Webhook) -> None:
        """Send each review on a new connection."""

        def once() -> http.client.HTTPResponse:
            with contextlib.closing(webhook.connect()) as connection:
                return send_review(connection)

        self._start(once)

    def send_until_refused(self, webhook: Webhook, *, reuse: bool) -> None:
        """Send reviews until the webhook, after SIGTERM, refuses a connection: another replica would accept it.

        If `reuse`, use one connection until the server asks to close it.
        """
        connection = webhook.connect()

        def once() -> http.client.HTTPResponse | None:
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:
                if self.stopping.is_set():
                    return None
                raise
            answer = send_review(connection)
            if not reuse:
                connection.close()
            return answer

        self._start(once)

    def finish(self) -> None:
        """Wait until all threads have ended."""
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self, answers: int) -> None:
        """Wait for this number of further responses, or for a failure."""
        enough = len(self.answers) + answers
        eventually(lambda: self.failures or len(self.answers) >= enough)

    def _start(self, once: Callable[[], http.client.HTTPResponse | None]) -> None:
        def run() -> None:
            while not self._over.is_set():
                try:
                    answer = once()
                except (OSError, http.client.HTTPException) as error:
                    self.failures.append(repr(error))
                    return
                if answer is None:
                    return
                self.answers.append(answer)

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self.finish()


@contextmanager
def connections(webhook: Webhook, number: int) -> Iterator[list[http.client.HTTPSConnection]]:
    """Yield this number of connections, and close them afterwards."""
    made = [webhook.connect() for _ in range(number)]
    try:
        yield made
    finally:
        for connection in made:
            connection.close()
