"""Facts of injection for the strict ValidatingAdmissionPolicy, which the chart renders in CEL. Pure.

The facts come from the code that injects: it is run for each combination of settings that changes the container, and
once for each option. `make reference` writes them into the chart.
"""

from app.strict_policy.facts import policy_facts

__all__ = ["policy_facts"]
