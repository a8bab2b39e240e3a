"""`dind-webhook golden`."""

import os
import re
from pathlib import Path

import typer

from dind_webhook.cli.output import ObjectsOutput, print_objects
from dind_webhook.golden_volume import Contents, render_snapshot, render_volume
from dind_webhook.model import parse_image
from dind_webhook.settings import load_policy

# What `docker build` reads by itself: other texts are directories, which the pod does not have.
_CONTEXT = re.compile(r"(https?://|git://|git@|github\.com/)\S+")
_WITH_PASSWORD = re.compile(r"https?://[^/]*@")


def run_golden(
    config: Path | None,
    name: str,
    namespace: str | None,
    contents: Contents,
    storage_class: str,
    snapshot_class: str,
    output: ObjectsOutput,
) -> int:
    """Print the claim and the Job that fills it, or with a class the VolumeSnapshot; return the exit code.

    Raise BadParameter for contents that are none, and SettingsError if the settings have no use for such a volume.
    """
    _check(contents, snapshot_class)
    if snapshot_class:
        print_objects([render_snapshot(name, namespace, snapshot_class)], output)
        return 0
    policy = load_policy(config, os.environ)
    print_objects(
        render_volume(policy.for_namespace(namespace or ""), contents, name, namespace, storage_class), output
    )
    return 0


def _check(contents: Contents, snapshot_class: str) -> None:
    for image in contents.images:
        try:
            parse_image(image)
        except ValueError as error:
            raise typer.BadParameter(f"{image!r} {error}", param_hint="--image") from None
    for context in contents.contexts:
        if _WITH_PASSWORD.match(context):
            raise typer.BadParameter(
                "the URL has a name or password, which everybody who may read the Job would see; remove it",
                param_hint="--build",
            )
        if not _CONTEXT.fullmatch(context):
            raise typer.BadParameter(
                f"{context!r} is not the URL of a Git repository or of an archive, which docker build fetches itself",
                param_hint="--build",
            )
    if snapshot_class and any(contents):
        raise typer.BadParameter(
            "cannot be combined with --image and --build: print the snapshot when the Job is complete",
            param_hint="--snapshot-class",
        )
    if not snapshot_class and not any(contents):
        raise typer.BadParameter("set one, or --build: the volume would be empty", param_hint="--image")
