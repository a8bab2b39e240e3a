"""Facts about injection for the strict and the advisory policy, which the chart renders in CEL. Pure.

The facts come from the injecting code itself, which runs for each combination of settings that changes the container,
and once for each option. `make reference` writes them into the chart.
"""

from dind_webhook.strict_policy.advisory import advisory_facts
from dind_webhook.strict_policy.cel import cel_literal
from dind_webhook.strict_policy.facts import policy_facts

__all__ = ["advisory_facts", "cel_literal", "policy_facts"]
