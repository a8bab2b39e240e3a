"""The proxy of the daemon, of builds and containers, and, if the operator wants that, of the containers with Docker.

| who | learns of the proxy by |
|---|---|
| dockerd | `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` |
| `docker build` and `docker run` | `proxies` in the client's config.json, which the start script writes |
| containers with Docker | the same variables, in both spellings: curl reads `http_proxy` in small letters only |

A variable that `env` or the container itself sets, in either spelling, stays as it is.
"""

import orjson

from dind_webhook.injection.additions import Additions
from dind_webhook.injection.options import Options
from dind_webhook.injection.start_script import CLIENT_CONFIG_VARIABLE
from dind_webhook.model import Container, JsonObject

# No proxy reaches this machine or names of the cluster. curl before 7.86 and others read no CIDRs. kubelet puts the
# address of the API server there, by which pods reach it ("Environment Variables" in the API reference of containers).
DIRECT_HOSTS = (
    "localhost",
    "127.0.0.1",
    "127.0.0.0/8",
    "::1",
    ".svc",
    ".cluster.local",
    "$(KUBERNETES_SERVICE_HOST)",
)


def _proxy_values(options: Options) -> dict[str, str]:
    """Return the values of the variables, or nothing without a proxy."""
    if not options.proxy:
        return {}
    direct = ",".join(dict.fromkeys((*DIRECT_HOSTS, *options.no_proxy)))
    return {"HTTP_PROXY": options.proxy, "HTTPS_PROXY": options.proxy, "NO_PROXY": direct}


def daemon_variables(options: Options, *, writes_client_config: bool) -> list[tuple[str, str]]:
    """Return the variables of the daemon's container that its own ones lack."""
    values = _proxy_values(options)
    if not values:
        return []
    own = {name.upper() for name, _ in options.env}
    variables = [(name, value) for name, value in values.items() if name not in own]
    if writes_client_config:
        variables.append((CLIENT_CONFIG_VARIABLE, _client_config(values)))
    return variables


def _client_config(values: dict[str, str]) -> str:
    """Return the config.json with which builds and containers use the proxy."""
    proxies = {
        "httpProxy": values["HTTP_PROXY"],
        "httpsProxy": values["HTTPS_PROXY"],
        "noProxy": values["NO_PROXY"],
    }
    return orjson.dumps({"proxies": {"default": proxies}}).decode()


def client_variables(options: Options) -> tuple[JsonObject, ...]:
    """Return the variables for containers with Docker, or nothing without a proxy."""
    values = _proxy_values(options)
    values.update({name.lower(): value for name, value in values.items()})
    return tuple({"name": name, "value": value} for name, value in values.items())


def missing_proxy_variables(client: Container, additions: Additions) -> list[JsonObject]:
    """Return the variables of the proxy that a client sets in neither spelling."""
    if not additions.proxy_variables:
        return []
    own = {name.upper() for name in client.env}
    return [variable for variable in additions.proxy_variables if variable["name"].upper() not in own]
