"""A link to ports of this machine that has one rate for all: `slow_link.py BYTES_PER_SECOND PORT=TARGET_PORT...`."""

import contextlib
import socket
import sys
import threading
import time

_BLOCK = 1 << 16


class Link:
    """A rate in bytes per second that all connections share."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, size: int) -> None:
        """Wait until the link has carried so many bytes."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size / self._rate
            until = self._free_at
        time.sleep(max(0, until - time.monotonic()))

    def carry(self, source: socket.socket, target: socket.socket) -> None:
        """Carry bytes until the source ends."""
        with contextlib.suppress(OSError):
            while block := source.recv(_BLOCK):
                self.wait(len(block))
                target.sendall(block)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def listen(self, port: int, target_port: int) -> None:
        """Accept connections for ever, and connect each with the target."""
        with socket.create_server(("", port), backlog=256) as server:
            while True:
                client, _ = server.accept()
                target = socket.create_connection(("127.0.0.1", target_port))
                for ends in ((client, target), (target, client)):
                    threading.Thread(target=self.carry, args=ends, daemon=True).start()


def main() -> None:
    """Listen on all ports."""
    rate, *pairs = sys.argv[1:]
    link = Link(float(rate))
    threads = [threading.Thread(target=link.listen, args=map(int, pair.split("="))) for pair in pairs]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
