"""How much memory our server holds after more and more requests."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from servers import OURS, Place, start
from wrk import Load

# A review that breaks off: what is refused takes another way through the server, on which an error is raised.
_MALFORMED = (
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"705ab4f5","object":{"spec":'
)


def watch(requests: int, load: Load, body: Path, seconds: float) -> dict[str, Any]:
    """Return the resident memory in MB after more and more requests over 16 connections, to a server of its own.

    A tenth as many that are malformed follow. It ends after `seconds` if there were not enough of them until then.
    """
    malformed = load.folder / "malformed.json"
    malformed.write_bytes(_MALFORMED)
    end = time.monotonic() + seconds
    with ExitStack() as stack:
        server = start(OURS, load.folder, Place(realtime=load.realtime), stack)

        def points(enough: int, sent: Path, *, refused: bool) -> list[tuple[int, float]]:
            done, found = 0, [(0, round(server.resident_mb(), 1))]
            while done < enough and time.monotonic() < end:
                done += int(load.post(server.url, sent, 16, refused=refused).rps * load.seconds)
                found.append((done, round(server.resident_mb(), 1)))
            return found

        answered = points(requests, body, refused=False)
        rejected = points(requests // 10, malformed, refused=True)
    return {"points": answered, "requests": answered[-1][0], "malformed": rejected}
