"""The policy that commands decide under, and decisions as they are printed."""

import os
from pathlib import Path

import typer

from app.injection import Decision, Policy, Reason
from app.settings import load_settings, make_policy

# Exit code of a command where a pod was, or would be, denied
DENIED = 1


def load_policy(config: Path | None) -> Policy:
    """Return the operator's policy from a file and the environment."""
    return make_policy(load_settings(config, os.environ, {}).settings.injection)


def describe(decision: Decision) -> str:
    """Return a decision in a few words: outcome, reason, mode, message."""
    text = str(decision.outcome)
    if decision.reason is Reason.INJECTED:
        return f"{text} ({decision.mode})"
    text += f" ({decision.reason.slug})"
    return f"{text}: {decision.message}" if decision.message else f"{text}: {decision.reason.meaning}"


def style_of(decision: Decision) -> str:
    """Return the colour of a decision."""
    return {"injected": typer.colors.GREEN, "untouched": typer.colors.YELLOW, "denied": typer.colors.RED}[
        decision.outcome
    ]
