"""The files that daemons get from ConfigMaps and Secrets. A missing one holds no pod, so nothing else would tell."""

import base64
import binascii
from collections.abc import Iterator

import orjson

from dind_webhook.diagnostics.check import Category, Check, Problem
from dind_webhook.diagnostics.daemon_files import FileReference, daemon_command, file_references
from dind_webhook.diagnostics.snapshot import Snapshot
from dind_webhook.injection import DAEMON_CONFIG_DIRECTORY, DAEMON_JSON, find_conflicting_directives
from dind_webhook.model import JsonObject

_DAEMON_JSON = f"{DAEMON_CONFIG_DIRECTORY}/{DAEMON_JSON}"


def check_daemon_files(snapshot: Snapshot) -> Iterator[Problem]:
    missing: set[FileReference] = set()
    for _, reference in file_references(snapshot.pods, snapshot.dry_runs, snapshot.injection_policy):
        if reference in missing or reference.source not in snapshot.daemon_objects:
            continue
        if problem := _describe_missing(reference, snapshot.daemon_objects[reference.source]):
            missing.add(reference)
            yield Problem(problem, {"namespace": reference.source.namespace})


def _describe_missing(reference: FileReference, found: JsonObject | None) -> str | None:
    """Return why a daemon does not get a file, or None."""
    namespace, kind, name = reference.source
    if found is None:
        return f"namespace {namespace} has no {kind} {name}: pods there start without {reference.path}"
    keys = {**(found.get("binaryData") or {}), **(found.get("data") or {})}
    if reference.key is None:
        return None if keys else f"{kind} {name} in namespace {namespace} has no key: {reference.path} is empty"
    if reference.key not in keys:
        return (
            f"{kind} {name} in namespace {namespace} has no key {reference.key}: pods there start without "
            f"{reference.path}"
        )
    return None


def check_daemon_json(snapshot: Snapshot) -> Iterator[Problem]:
    sentences: set[str] = set()
    for pod, reference in file_references(snapshot.pods, snapshot.dry_runs, snapshot.injection_policy):
        found = snapshot.daemon_objects.get(reference.source)
        if reference.path != _DAEMON_JSON or found is None:
            continue
        problem = _describe_configuration(reference, found, daemon_command(pod, snapshot.injection_policy))
        if problem and problem not in sentences:
            sentences.add(problem)
            yield Problem(problem, {"namespace": reference.source.namespace})


def _describe_configuration(reference: FileReference, found: JsonObject, command: list[str]) -> str | None:
    """Return why dockerd would refuse a daemon.json, or None. Never quotes the file: it may be a Secret."""
    namespace, kind, name = reference.source
    text = (found.get("data") or {}).get(reference.key)
    if text is None:
        return None
    place = f"{kind} {name} in namespace {namespace}, key {reference.key}"
    try:
        configuration = orjson.loads(base64.b64decode(text) if kind == "Secret" else text)
    except (ValueError, binascii.Error):
        return f"{place}: is not JSON"
    if not isinstance(configuration, dict):
        return f"{place}: is not a JSON object"
    if conflicts := find_conflicting_directives(configuration, command):
        return f"{place}: dockerd refuses {', '.join(conflicts)}, which injection sets by flags"
    return None


CHECKS: tuple[Check, ...] = (
    Check(
        name="daemon-files",
        category=Category.PODS,
        statement="The ConfigMaps and Secrets with files of daemons and clients exist, and have the keys",
        fatal=False,
        hint="create it: `kubectl -n {namespace} get configmaps,secrets` shows those that exist; or change "
        "dind.io/daemon-files, dind.io/ca or dind.io/registry-secret, or settings.injection.defaults",
        requires=("injection_policy", "pods", "dry_runs", "daemon_objects"),
        after=("installed",),
        find_problems=check_daemon_files,
    ),
    Check(
        name="daemon-json",
        category=Category.PODS,
        statement="dockerd accepts each daemon.json beside its flags",
        fatal=True,
        hint="remove these members from the file, and set the options of the same meaning, such as "
        "dind.io/registry-mirrors; hosts and group have no other place",
        requires=("injection_policy", "pods", "dry_runs", "daemon_objects"),
        after=("installed",),
        find_problems=check_daemon_json,
    ),
)
