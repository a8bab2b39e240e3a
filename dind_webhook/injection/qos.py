"""The QoS class of a pod, which injection should not change."""

from dind_webhook.model import JsonObject, Pod, ResourcesShape, is_guaranteed


def is_guaranteed_without(pod: Pod, injected_name: str) -> bool:
    """Return whether a pod has the QoS class Guaranteed by the resources of its own containers.

    `injected_name` is the name of the container that injection adds. If the pod has pod-level resources, they alone
    decide, so the answer is False: no container can change the class.
    """
    if pod.spec.resources is not None:
        return False
    own = (container for container in pod.all_containers if container.name != injected_name)
    return is_guaranteed(container.raw.resources for container in own)


def can_be_guaranteed(container: JsonObject) -> bool:
    """Return whether a pod with this container, which is going to be added, can still have the class Guaranteed."""
    return is_guaranteed([ResourcesShape(**container.get("resources", {}))])
