"""What we add to a pod, and when. Pure: no I/O, no clock, no logger, no environment.

Deciding (`eligibility`, `annotations`), building (`sidecar`, `daemonset`), holding against the pod
(`conflicts`) and working out what it lacks (`plan`, in the operations of `render`) are separate steps; `inject` takes
them in turn.
"""

from app.injection.annotations import OPTIONS, Option, apply_defaults, built_in_options
from app.injection.decision import Decision, Mode, Outcome, Reason
from app.injection.eligibility import NAMESPACE_VALUES, POD_VALUES
from app.injection.inject import inject
from app.injection.names import INJECT, PREFIX, STATUS
from app.injection.options import Options, Policy
from app.injection.rules import ONLY_IN_A_CLUSTER, RULES, TO_CHANGE, Rule, State, fare

__all__ = [
    "INJECT",
    "NAMESPACE_VALUES",
    "ONLY_IN_A_CLUSTER",
    "OPTIONS",
    "POD_VALUES",
    "PREFIX",
    "RULES",
    "STATUS",
    "TO_CHANGE",
    "Decision",
    "Mode",
    "Option",
    "Options",
    "Outcome",
    "Policy",
    "Reason",
    "Rule",
    "State",
    "apply_defaults",
    "built_in_options",
    "fare",
    "inject",
]
