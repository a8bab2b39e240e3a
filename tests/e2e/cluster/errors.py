"""Errors, each with a sentence for the person at the terminal."""

from pathlib import Path


class ClusterError(Exception):
    """One sentence that says what is wrong and what to do; `log` is the file with more, where there is one."""

    def __init__(self, sentence: str, log: Path | None = None) -> None:
        super().__init__(sentence if log is None else f"{sentence}; see {log}")
        self.log = log
