"""How a process is told to stop."""

import asyncio
import signal


class ShutdownSignal:
    """SIGTERM and SIGINT: the first asks the process to stop, the second insists."""

    def __init__(self) -> None:
        """Take over both signals of the process, in the running loop."""
        self.requested = asyncio.Event()
        self.forced = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._receive)

    def _receive(self) -> None:
        (self.forced if self.requested.is_set() else self.requested).set()

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than until somebody insists."""
        await asyncio.wait({asyncio.ensure_future(self.forced.wait())}, timeout=seconds)
