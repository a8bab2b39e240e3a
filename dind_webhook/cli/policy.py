"""`dind-webhook policy`."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePath

from dind_webhook.cli.files import write_file
from dind_webhook.cli.output import ObjectsOutput, print_line, print_objects
from dind_webhook.errors import ApiError, ManifestError
from dind_webhook.kube import KubeClient
from dind_webhook.manifests import dump_documents
from dind_webhook.model import JsonObject, parse_version
from dind_webhook.mutating_policy import (
    MINIMUM_VERSION,
    STATIC_MINIMUM_VERSION,
    render_policies,
    render_static_files,
)
from dind_webhook.settings import (
    CHECKSUM,
    find_config_map,
    make_policy,
    parse_settings,
    read_settings_file,
)


def run_policy(
    config: Path | None,
    name: str | None,
    output: ObjectsOutput,
    static: Path | None,
    kubeconfig: Path | None,
    context: str | None,
) -> int:
    """Print the policies of the operator's settings; return the exit code.

    With `static`, write them as files below that directory, for an API server that reads them when it starts, and
    print the names of the files. The settings may be in the chart's ConfigMap. Then the policies have the names that
    the chart gives them, and the checksum by which it recognises its settings. With a kubeconfig or a context, check
    first that the API server has such policies. Raise ApiError if it is too old, and ManifestError for files in another
    form than YAML.
    """
    if static and output is not ObjectsOutput.YAML:
        raise ManifestError("--static writes YAML", "leave out --output")
    if kubeconfig or context:
        version = KubeClient(kubeconfig, context).version()
        _check_version(version, MINIMUM_VERSION, "MutatingAdmissionPolicy is", "install the webhook instead")
        if static:
            _check_version(version, STATIC_MINIMUM_VERSION, "files with policies are", "leave out --static")
    text = read_settings_file(config) if config else ""
    place = "standard input" if str(config) == "-" else f"file {config}"
    found = find_config_map(text, place)
    policy = make_policy(parse_settings(found.text if found else text, place, os.environ).settings.injection)
    policy_name = name or (f"{found.name}-policy" if found else "dind-webhook")
    if static:
        return _write_files(render_static_files(policy, policy_name, static.absolute()))
    objects = render_policies(policy, policy_name)
    if found and found.checksum:
        for each in objects:
            each["metadata"]["annotations"] = {CHECKSUM: found.checksum}
    print_objects(objects, output)
    return 0


def _write_files(files: Mapping[PurePath, list[JsonObject]]) -> int:
    for path, objects in files.items():
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ManifestError(f"{path}: cannot be written: {error.strerror}") from None
        write_file(str(path), dump_documents(objects))
        print_line(str(path))
    return 0


def _check_version(version: str, minimum: tuple[int, int], subject: str, hint: str) -> None:
    if parse_version(version) >= minimum:
        return
    raise ApiError(
        f"the API server has version {version}, and {subject} in Kubernetes {minimum[0]}.{minimum[1]} and newer",
        hint,
    )
