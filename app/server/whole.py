"""Requests that are answered as soon as they are here whole: no task, and one write for the answer."""

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from app.web import Answer


def can_be_awaited(cycle: RequestResponseCycle) -> bool:
    """Whether a POST, by its head, will be here whole without anything being said to the client or held back."""
    if cycle.scope["method"] != "POST" or cycle.waiting_for_100_continue:
        return False
    length = dict(cycle.scope["headers"]).get(b"content-length")
    return length is not None and int(length) <= HIGH_WATER_LIMIT


def write(cycle: RequestResponseCycle, answer: Answer) -> None:
    """Write an answer and end its request.

    uvicorn writes head and body one by one: two TLS records and two system calls.
    """
    head = [STATUS_LINE[answer.status]]
    head += [b"%s: %s\r\n" % header for header in answer.headers]
    if not cycle.keep_alive:
        head.append(b"connection: close\r\n")
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"%s\r\n%s" % (b"".join(head), answer.body))
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
