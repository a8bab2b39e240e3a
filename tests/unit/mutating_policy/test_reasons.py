"""Each reason for which the core denies a pod has rules in the policies, or is out of their reach."""

from dind_webhook.diagnostics.expected_webhook import POLICY_CONDITIONS
from dind_webhook.injection import Outcome, Reason
from dind_webhook.model import JsonObject
from dind_webhook.mutating_policy import render_policies
from dind_webhook.settings import InjectionSettings, make_policy

# The variables with the rules about each reason. Those without one are validations of the policy of requests.
RULES: dict[Reason, tuple[str, ...]] = {
    Reason.MALFORMED_POD: ("malformed",),
    Reason.UNKNOWN_VALUE: (),
    Reason.MODE_OFF: (),
    Reason.UNKNOWN_ANNOTATION: ("unknownAnnotation",),
    Reason.OPTION_NOT_ALLOWED: ("optionNotAllowed", "exceededBound"),
    Reason.INVALID_OPTION: ("requestAboveLimit", "otherOption", "otherQuantity"),
    # Pods that set these options need the webhook, unless they repeat the operator's value.
    Reason.UNKNOWN_CONTAINER: ("otherOption",),
    Reason.IMAGE_NOT_ALLOWED: ("otherOption",),
    Reason.WINDOWS_POD: ("windowsPod",),
    Reason.HOST_NETWORK: ("hostNetwork",),
    Reason.HOST_PID: ("hostPID",),
    Reason.HOST_IPC: ("hostIPC",),
    Reason.HOST_USERS: ("hostUsers",),
    Reason.ISOLATION: ("isolation",),
    Reason.OWN_DAEMON: ("ownDaemon", "possibleDaemon"),
    Reason.NODE_DOCKER_SOCKET: ("nodeDockerSocket",),
    Reason.NAME_TAKEN: ("nameTaken", "foreignLabel", "foreignMounts"),
    Reason.MOUNT_PATH_TAKEN: ("mountPathTaken",),
    Reason.NODE_SELECTOR: ("nodeSelector",),
    Reason.TLS_VARIABLE: ("tlsVariable", "tlsOfOtherDaemon"),
    Reason.STALE_STATUS: ("staleStatus",),
    Reason.POD_RESOURCES: ("podResources",),
}
# Together, they have all rules.
SETTINGS: tuple[JsonObject, ...] = (
    {"allowed_isolations": []},
    {"defaults": {"isolation": "userns"}, "max": {"memory-limit": "8Gi"}, "node_selector": {"pool": "docker"}},
)


def test_each_reason_for_a_denial_has_rules() -> None:
    """A new reason needs a rule in `mutating_policy.denials`, or in `mutating_policy.limits` if CEL cannot see it."""
    assert RULES.keys() == {reason for reason in Reason if reason.outcome is Outcome.DENIED}
    objects = [each for settings in SETTINGS for each in rendered(settings)]
    variables = {variable["name"] for each in objects for variable in each["spec"].get("variables", ())}
    assert {name for names in RULES.values() for name in names} - variables == set()


def test_explain_knows_the_match_conditions_of_the_policies() -> None:
    objects = rendered({"namespaces": [{"names": ["ci-*"]}]})
    mutating = [each["spec"] for each in objects if each["kind"] == "MutatingAdmissionPolicy"]
    assert {each["name"] for spec in mutating for each in spec["matchConditions"]} == set(POLICY_CONDITIONS)


def rendered(settings: JsonObject) -> list[JsonObject]:
    return render_policies(make_policy(InjectionSettings.model_validate(settings)), "dind")
