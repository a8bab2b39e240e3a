"""Client configurations from a kubeconfig or from the service account token of a pod.

The client is not typed, so a `kubernetes.client.Configuration` is `Any` here.
"""

import logging
import os
from pathlib import Path
from typing import Any, NamedTuple, Self

from dind_webhook.errors import DindWebhookError, NoClusterError

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(DindWebhookError):
    """A kubeconfig or a service account that cannot be used."""


class UserContext(NamedTuple):
    """A client configuration, and the namespace that the user works in."""

    configuration: Any
    namespace: str


def load_user_context(kubeconfig: Path | None, context: str | None) -> UserContext:
    """Find the API server as kubectl does; NoClusterError if there is no usable kubeconfig, context or credentials."""
    paths = _find_kubeconfig(kubeconfig)
    logged = _LoggedErrors()
    try:
        if paths is None:
            return UserContext(load_service_account(), (_SERVICE_ACCOUNT / "namespace").read_text("utf-8").strip())
        selected = _select_context(paths, context)
        with logged:
            configuration = load_kubeconfig(paths, selected["name"])
    except KubeconfigError as error:
        source = f"kubeconfig {paths}" if paths else "the service account"
        raise NoClusterError(f"{source} cannot be used: {error}", "try `kubectl config view --minify`") from None
    if logged.messages:
        raise NoClusterError(
            f"kubeconfig {paths} leads to no credentials: {logged.messages[0]}",
            "log in again, or see `kubectl auth whoami`",
        )
    if "://" not in configuration.host:
        # kubectl guesses a scheme; the client would connect without TLS, and so without the CA.
        raise NoClusterError(
            f"kubeconfig {paths} has a server without https:// or http://: {configuration.host}",
            "add the scheme to it",
        )
    return UserContext(configuration, (selected.get("context") or {}).get("namespace") or "default")


def load_kubeconfig(paths: str, context: str | None = None) -> Any:
    """Return the configuration of a context, by default the current one; KubeconfigError if it cannot be used.

    `paths` is one file, or several as in the variable KUBECONFIG.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_kube_config(paths, context, configuration)  # type: ignore[no-untyped-call]  # as the client has it
    except Exception as error:  # noqa: BLE001  # the client raises any exception for a malformed file
        raise _kubeconfig_error(error) from None
    return _set_common_options(configuration)


def load_service_account() -> Any:
    """Return the configuration of the pod that this process runs in; KubeconfigError if it has no token."""
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001  # as above
        raise _kubeconfig_error(error) from None
    return _set_common_options(configuration)


def _set_common_options(configuration: Any) -> Any:
    # Callers have a back-off of their own.
    configuration.retries = False
    if not configuration.verify_ssl:
        import urllib3

        # The kubeconfig says so; urllib3 would warn again at each request.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return configuration


def _kubeconfig_error(error: Exception) -> KubeconfigError:
    from kubernetes import config

    if isinstance(error, config.ConfigException):
        return KubeconfigError(str(error))
    # The texts of other exceptions do not help, and may quote credentials.
    return KubeconfigError(f"it is malformed ({type(error).__name__})")


def _find_kubeconfig(kubeconfig: Path | None) -> str | None:
    """Return the path of the kubeconfig, or several as in KUBECONFIG; None in a pod that has a token instead."""
    paths = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if any(Path(path).is_file() for path in paths.split(os.pathsep)):
        return paths
    if not kubeconfig and (_SERVICE_ACCOUNT / "token").exists():
        return None
    raise NoClusterError(
        f"there is no kubeconfig at {paths}", "say where it is with --kubeconfig or the variable KUBECONFIG"
    )


def _select_context(paths: str, name: str | None) -> dict[str, Any]:
    """Return the context of that name, or the current one if there is no name."""
    from kubernetes import config

    try:
        contexts, current = config.list_kube_config_contexts(paths)  # type: ignore[no-untyped-call]
        selected: dict[str, Any] | None = next((each for each in contexts if each["name"] == name), None)
        names = ", ".join(each["name"] for each in contexts) or "none"
    except Exception as error:  # noqa: BLE001  # as above
        raise _kubeconfig_error(error) from None
    selected = current if name is None else selected
    if not selected:
        raise NoClusterError(f"kubeconfig {paths} has no context {name}", f"choose one of: {names}")
    return selected


class _LoggedErrors(logging.Handler):
    """Collects log records while a kubeconfig is loaded.

    The client catches every error of a credential plugin, logs it to the root logger and continues anonymously
    (`_load_from_exec_plugin` in kube_config.py). Nothing else tells why there are no credentials.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
