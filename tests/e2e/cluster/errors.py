"""The error of this package, with a sentence for the user."""

from pathlib import Path


class ClusterError(Exception):
    """A sentence that says what is wrong and what to do. `log` is the file with the details, or None."""

    def __init__(self, sentence: str, log: Path | None = None) -> None:
        super().__init__(sentence if log is None else f"{sentence}; see {log}")
        self.log = log
