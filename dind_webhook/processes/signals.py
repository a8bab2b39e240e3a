"""Shutdown by signals."""

import asyncio
import signal


class ShutdownSignal:
    """SIGTERM and SIGINT: the first signal requests a shutdown, the second forces it."""

    def __init__(self) -> None:
        """Handle both signals of the process in the running event loop."""
        self.requested = asyncio.Event()
        self.forced = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._receive)

    def _receive(self) -> None:
        (self.forced if self.requested.is_set() else self.requested).set()

    async def pause(self, seconds: float) -> None:
        """Wait for `seconds`, or until the shutdown is forced."""
        await asyncio.wait({asyncio.ensure_future(self.forced.wait())}, timeout=seconds)
