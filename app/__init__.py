"""A mutating admission webhook that gives annotated CI pods a working Docker daemon.

The rooms, from the top: `cli`, `playground`, `preview`, `upkeep`, `server` and `checks`, `web` and `certs`, `kube`,
`settings` and `logs`, `admission` and `manifests`, `injection`, `model`, `errors`. A room imports only from
the ones below it; import-linter checks that.
"""

__version__ = "0.1.0"
