"""A mutating admission webhook that gives annotated CI pods a working Docker daemon.

The packages, from the top: `cli`; `processes` and `diagnostics`; `golden_volume`, `mutating_policy` and `playground`;
`certs`, `http` and `strict_policy`; `kube`, `settings` and `logs`; `admission`, `manifests` and `migration`;
`injection`; `model`; `certificate_names`, `errors`, `printable`, `process_metrics` and `timestamps`. A package imports
only from packages below it; import-linter checks that.
"""

__version__ = "0.1.0"
