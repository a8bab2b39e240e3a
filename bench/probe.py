"""A client that asks at a steady pace on one connection and prints how long each answer took, in seconds.

A process of its own: what else is asked at the same time shall not be in its figures.
"""

import http.client
import ssl
import sys
import time
from pathlib import Path


def main(host: str, port: str, file: str, rate: str) -> None:
    body = Path(file).read_bytes()
    connection = http.client.HTTPSConnection(host, int(port), context=ssl._create_unverified_context(), timeout=10)
    turn = time.monotonic()
    while True:
        turn += 1 / float(rate)
        time.sleep(max(0, turn - time.monotonic()))
        started = time.monotonic()
        connection.request("POST", "/mutate?timeout=5s", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"the probe was answered with {answer.status}")
        print(time.monotonic() - started, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
