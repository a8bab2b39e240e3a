"""Facts about injection for the strict ValidatingAdmissionPolicy, which the chart renders in CEL. Pure.

The facts come from the injecting code itself, which runs for each combination of settings that changes the container,
and once for each option. `make reference` writes them into the chart.
"""

from app.strict_policy.facts import policy_facts

__all__ = ["policy_facts"]
