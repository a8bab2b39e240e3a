"""Changes of documents, as a diff, and the comments that they lose."""

import difflib
from collections.abc import Iterable

import typer

from dind_webhook.cli.output import print_line, print_to_stderr
from dind_webhook.manifests import Change, Manifest

# Limits on the list of lost comments
_MAX_COMMENTS = 3
_MAX_COMMENT = 60
_COLORS = {"+": typer.colors.GREEN, "-": typer.colors.RED, "@": typer.colors.CYAN}


def print_diff(change: Change, verb: str, color: str) -> None:
    """Print the diff of a document; `verb` says what was done to its objects."""
    names = ", ".join(change.names)
    lines = difflib.unified_diff(
        change.before.splitlines(), change.after.splitlines(), f"{names} as written", f"{names} {verb}", lineterm=""
    )
    for line in lines:
        print_line((line, _COLORS.get(line[:1])), color=color)


def report_lost_comments(manifests: Iterable[Manifest], color: str) -> None:
    """Print to standard error which comments the changed documents of these files lose."""
    for change in (change for manifest in manifests for change in manifest.changes() if change.lost_comments):
        shown = [comment[:_MAX_COMMENT] for comment in change.lost_comments[:_MAX_COMMENTS]]
        more = ["..."] if len(change.lost_comments) > _MAX_COMMENTS else []
        names, comments = ", ".join(change.names), ", ".join(shown + more)
        print_to_stderr(f"{names}: comments are lost: {comments}", typer.colors.YELLOW, color)
