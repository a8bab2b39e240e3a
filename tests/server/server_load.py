"""Clients that do not stop asking."""

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
    """Send one review and read the whole answer."""
    connection.request("POST", "/mutate?timeout=5s", _BODY, _HEADERS)
    answer = connection.getresponse()
    answer.read()
    return answer


@dataclass
class Load:
    """Threads that send_review the webhook until the block ends, and what came of it."""

    answers: list[http.client.HTTPResponse] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def send_on_connections(self, connections: list[http.client.HTTPSConnection]) -> None:
        """Ask on these connections in turn; a connection that the server closes is a failure."""
        for connection in connections:
            connection.connect()
            connection.auto_open = 0
        turns = itertools.cycle(connections)
        self._start(lambda: send_review(next(turns)))

    def send_on_new_connections(self, webhook: Webhook) -> None:
        """Open a new connection for each request."""

        def once() -> http.client.HTTPResponse:
            with contextlib.closing(webhook.connect()) as connection:
                return send_review(connection)

        self._start(once)

    def send_until_refused(self, webhook: Webhook, *, reuse: bool) -> None:
        """Ask until the webhook, told to stop, takes no connection any more: another replica would.

        A connection is used again where `reuse`, as long as the server does not ask for its end.
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
        """Wait until no thread asks any more."""
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self, answers: int) -> None:
        """Wait for so many more answers, or a failure."""
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
    """Return so many connections, which are closed at the end."""
    made = [webhook.connect() for _ in range(number)]
    try:
        yield made
    finally:
        for connection in made:
            connection.close()
