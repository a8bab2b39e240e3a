"""The policies as files that an API server reads when it starts (KEP-5793): nobody can delete them through its API."""

from pathlib import PurePath

from dind_webhook.injection import Policy
from dind_webhook.model import JsonObject
from dind_webhook.mutating_policy.render import render_policies

# The first Kubernetes in which the feature gate ManifestBasedAdmissionControlConfig is on by default
STATIC_MINIMUM_VERSION = (1, 37)
# The API server refuses other names in files, and these names in its API.
_SUFFIX = ".static.k8s.io"
_CONFIGURATION_FILE = "admission.yaml"
# The name of the policies is not part of it: an API server would also read the files of an earlier name.
_POLICIES_FILE = "dind-webhook.yaml"
# One directory for each plugin: it refuses the kinds of the other.
_PLUGINS = {"MutatingAdmissionPolicy": "mutating", "ValidatingAdmissionPolicy": "validating"}


def render_static_files(policy: Policy, name: str, directory: PurePath) -> dict[PurePath, list[JsonObject]]:
    """Return the documents of each file below a directory, which must be absolute: the API server reads it there.

    The last one is for its flag `--admission-control-config-file`. Raise SettingsError as `render_policies` does.
    """
    objects = render_policies(policy, name, _SUFFIX)
    plugins = [
        {
            "name": plugin,
            "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": f"{plugin}Configuration",
                "staticManifestsDir": str(directory / folder),
            },
        }
        for plugin, folder in _PLUGINS.items()
    ]
    configuration: JsonObject = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": plugins,
    }
    return {
        **{
            directory / folder / _POLICIES_FILE: [each for each in objects if each["kind"].startswith(plugin)]
            for plugin, folder in _PLUGINS.items()
        },
        directory / _CONFIGURATION_FILE: [configuration],
    }
