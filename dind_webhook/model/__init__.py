"""Kubernetes and RFC 6902: pods, quantities, names, paths, patches. Nothing here knows Docker-in-Docker.

Pure: values in, values out.
"""

from dind_webhook.model.api_version import parse_version
from dind_webhook.model.dns_names import MAX_NAME_LENGTH, is_dns_label, is_dns_name, is_dns_subdomain
from dind_webhook.model.image import ImageReference, parse_image
from dind_webhook.model.jsonpatch import JsonObject, Operation, add, pointer, prefix_paths, remove, replace
from dind_webhook.model.labels import is_label_key, is_label_value, selects
from dind_webhook.model.loopback import is_loopback
from dind_webhook.model.paths import PathSet, clean_path, is_under
from dind_webhook.model.pod import READ_ONLY_SOURCES, Container, Metadata, Mount, Pod, Volume, read_metadata, read_pod
from dind_webhook.model.quantity import parse_quantity
from dind_webhook.model.resources import Demand, PodLevelShortfall, is_guaranteed, pod_level_shortfalls
from dind_webhook.model.schema import (
    MAX_CONTAINERS,
    MAX_PATH_LENGTH,
    MalformedPodError,
    MetadataShape,
    ObjectName,
    PodShape,
    ResourcesShape,
    SpecShape,
    VariableShape,
    describe_validation_error,
)
from dind_webhook.model.spelling import nearest_word
from dind_webhook.model.wildcards import matches_wildcards
from dind_webhook.model.workload import WORKLOAD_KINDS, PodTemplate, as_object, list_objects, pod_templates

__all__ = [
    "MAX_CONTAINERS",
    "MAX_NAME_LENGTH",
    "MAX_PATH_LENGTH",
    "READ_ONLY_SOURCES",
    "WORKLOAD_KINDS",
    "Container",
    "Demand",
    "ImageReference",
    "JsonObject",
    "MalformedPodError",
    "Metadata",
    "MetadataShape",
    "Mount",
    "ObjectName",
    "Operation",
    "PathSet",
    "Pod",
    "PodLevelShortfall",
    "PodShape",
    "PodTemplate",
    "ResourcesShape",
    "SpecShape",
    "VariableShape",
    "Volume",
    "add",
    "as_object",
    "clean_path",
    "describe_validation_error",
    "is_dns_label",
    "is_dns_name",
    "is_dns_subdomain",
    "is_guaranteed",
    "is_label_key",
    "is_label_value",
    "is_loopback",
    "is_under",
    "list_objects",
    "matches_wildcards",
    "nearest_word",
    "parse_image",
    "parse_quantity",
    "parse_version",
    "pod_level_shortfalls",
    "pod_templates",
    "pointer",
    "prefix_paths",
    "read_metadata",
    "read_pod",
    "remove",
    "replace",
    "selects",
]
