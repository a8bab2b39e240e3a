"""Injection as policies of the API server, for clusters without a webhook: settings in, manifests out. Pure.

What the policies add and most of their messages come from the core, which runs on pattern pods (`patterns`).
Expressions in CEL place the additions (`patch`), and recognise the pods that the core denies (`denials`) and the pods
that CEL cannot inject as the core does (`limits`).
"""

from dind_webhook.mutating_policy.chart_file import PLACEHOLDERS, chart_file
from dind_webhook.mutating_policy.limits import accepted_texts
from dind_webhook.mutating_policy.render import MINIMUM_VERSION, render_policies
from dind_webhook.mutating_policy.static import STATIC_MINIMUM_VERSION, render_static_files
from dind_webhook.mutating_policy.unsupported import find_unsupported_settings, list_unsupported_settings

__all__ = [
    "MINIMUM_VERSION",
    "PLACEHOLDERS",
    "STATIC_MINIMUM_VERSION",
    "accepted_texts",
    "chart_file",
    "find_unsupported_settings",
    "list_unsupported_settings",
    "render_policies",
    "render_static_files",
]
