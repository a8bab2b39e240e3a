"""The pull-through cache of the chart."""

from typing import Any

import pytest
import yaml
from helm import NAMESPACE, RELEASE, kinds, only, refusal, render

from dind_webhook.injection.parsers import parse_registry_mirrors

HUB = f"{RELEASE}-cache-docker-io"
OTHER = f"{RELEASE}-cache-registry-example-5000"
# Names that begin in the same way
LONG = [f"123456789012.dkr.ecr.us-east-{number}.amazonaws.com" for number in (1, 2)]
_URL = f"http://{{}}.{NAMESPACE}.svc:5000"
KINDS = {"StatefulSet", "Service", "ConfigMap", "ServiceAccount"}


def with_cache(defaults: dict[str, Any] | None = None, **cache: Any) -> dict[str, Any]:
    upstreams = [{"registry": "docker.io"}, {"registry": "registry.example:5000", "url": "http://10.0.0.7"}]
    return {
        "cache": {"enabled": True, "upstreams": upstreams, **cache},
        "settings": {"injection": {"defaults": defaults or {}}},
    }


def container(values: Any, name: str = HUB) -> Any:
    containers = only(render(values), "StatefulSet", name)["spec"]["template"]["spec"]["containers"]
    return next(each for each in containers if each["name"] == "registry")


def mirrors(values: Any) -> dict[str, str]:
    """Return the mirrors of pods by registry."""
    settings = yaml.safe_load(only(render(values), "ConfigMap", RELEASE)["data"]["settings.yaml"])
    parsed = parse_registry_mirrors(settings["injection"]["defaults"]["registry-mirrors"])
    return {mirror.registry: mirror.url for mirror in parsed}


def test_there_is_none_unless_it_is_wanted() -> None:
    assert not any("cache" in object_["metadata"]["name"] for object_ in render({}) if object_)
    assert "StatefulSet" not in kinds(render({}))


def test_each_registry_has_a_cache_of_its_own() -> None:
    objects = render(with_cache())
    config = only(objects, "ConfigMap", f"{RELEASE}-cache")["data"]
    urls = {HUB: "https://registry-1.docker.io", OTHER: "http://10.0.0.7"}
    for name, url in urls.items():
        assert yaml.safe_load(config[f"{name}.yml"])["proxy"] == {"remoteurl": url, "ttl": "168h"}
        spec = only(objects, "StatefulSet", name)["spec"]
        (volume,) = spec["template"]["spec"]["volumes"]
        assert {"key": f"{name}.yml", "path": "config.yml"} in volume["configMap"]["items"]
        selector = only(objects, "Service", name)["spec"]["selector"]
        assert selector == spec["selector"]["matchLabels"]
        assert selector.items() <= spec["template"]["metadata"]["labels"].items()
    assert config.keys() == {"coalesce_fetches.py", *(f"{name}.yml" for name in urls)}


def test_daemons_reach_only_the_container_that_coalesces_fetches() -> None:
    objects = render(with_cache())
    config = yaml.safe_load(only(objects, "ConfigMap", f"{RELEASE}-cache")["data"][f"{HUB}.yml"])
    containers = only(objects, "StatefulSet", HUB)["spec"]["template"]["spec"]["containers"]
    (coalescer,) = [each for each in containers if each["name"] == "coalesce"]
    port, cache_port, folder = coalescer["command"][2:]
    assert {"name": "http", "containerPort": int(port), "protocol": "TCP"} in coalescer["ports"]
    assert config["http"]["addr"] == f"127.0.0.1:{cache_port}"
    assert config["storage"]["filesystem"]["rootdirectory"] == folder
    # With descriptors in memory, Distribution 3.0 sends a blob without its content after it expired in one repository.
    assert "cache" not in config["storage"]
    assert {"name": "images", "mountPath": folder, "readOnly": True} in coalescer["volumeMounts"]


def test_long_names_of_registries_give_names_of_objects_that_differ() -> None:
    objects = render(with_cache(upstreams=[{"registry": name} for name in LONG]), release="r" * 50)
    names = [each["metadata"]["name"] for each in objects if each["kind"] == "StatefulSet"]
    assert len(set(names)) == len(LONG)
    # A Service has as many characters at most as a label, and a revision of a StatefulSet has eleven more.
    assert all(len(name) <= 52 for name in names)


def test_pods_use_the_caches_by_themselves() -> None:
    assert mirrors(with_cache()) == {"docker.io": _URL.format(HUB), "registry.example:5000": _URL.format(OTHER)}


@pytest.mark.parametrize("own", ["https://a.example, *=none", ["docker.io=https://a.example", "*=none"]])
def test_a_mirror_that_the_operator_names_stays(own: Any) -> None:
    found = mirrors(with_cache({"registry-mirrors": own}))
    assert found == {"docker.io": "https://a.example", "*": "", "registry.example:5000": _URL.format(OTHER)}


def test_the_daemonset_uses_the_caches_too() -> None:
    spec = only(render({**with_cache(), "daemonset": {"enabled": True}}), "DaemonSet")["spec"]["template"]["spec"]
    (daemon,) = [each for each in spec["containers"] if each["name"] == "dind"]
    assert f"--registry-mirror={_URL.format(HUB)}" in daemon["args"]
    assert _URL.format(OTHER) in daemon["env"][0]["value"]


def test_passwords_are_in_one_secret_and_in_no_pod() -> None:
    """They are not optional: kubelet names a Secret or a key that is not there in an event, and starts nothing."""
    variables = {each["name"]: each for each in container(with_cache(credentialsSecret="mine"), OTHER)["env"]}
    for name in ("USERNAME", "PASSWORD"):
        assert variables[f"REGISTRY_PROXY_{name}"]["valueFrom"]["secretKeyRef"] == {
            "name": "mine",
            "key": f"registry.example_5000.{name.lower()}",
        }
    assert "valueFrom" not in str(container(with_cache()))
    assert "mine" not in str(
        [each for each in render(with_cache(credentialsSecret="mine")) if each["kind"] == "ConfigMap"]
    )


def test_a_registry_without_an_account_needs_no_keys() -> None:
    upstreams = [{"registry": "docker.io", "anonymous": True}, {"registry": "registry.example:5000"}]
    values = with_cache(upstreams=upstreams, credentialsSecret="mine")
    assert "mine" not in str(container(values))
    assert "mine" in str(container(values, OTHER))


def test_images_are_on_a_volume_that_stays() -> None:
    spec = only(render(with_cache(persistence={"size": "9Gi", "storageClass": "fast"})), "StatefulSet", HUB)["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "9Gi"}},
    }
    spec = only(render(with_cache(persistence={"enabled": False})), "StatefulSet", HUB)["spec"]
    assert "volumeClaimTemplates" not in spec
    assert {"name": "images", "emptyDir": {"sizeLimit": "50Gi"}} in spec["template"]["spec"]["volumes"]


def test_a_changed_configuration_replaces_the_pods() -> None:
    templates = [only(render(with_cache(ttl=ttl)), "StatefulSet", HUB)["spec"]["template"] for ttl in ("1h", "2h")]
    assert len({each["metadata"]["annotations"]["checksum/config"] for each in templates}) == 2


def test_its_network_policy_is_for_all_caches_and_for_nothing_else() -> None:
    values = {**with_cache(), "networkPolicy": {"enabled": True, "cacheFrom": [{"podSelector": {}}]}}
    objects = render(values)
    spec = only(objects, "NetworkPolicy", f"{RELEASE}-cache")["spec"]
    selected = spec["podSelector"]["matchLabels"].items()
    for object_ in objects:
        if object_ and object_["kind"] in ("Deployment", "StatefulSet"):
            labels = object_["spec"]["template"]["metadata"]["labels"].items()
            assert (selected <= labels) is (object_["kind"] == "StatefulSet")
    assert spec["ingress"][0] == {"ports": [{"port": "http", "protocol": "TCP"}], "from": [{"podSelector": {}}]}


@pytest.mark.parametrize(
    ("urls", "ports"),
    [
        (["", ""], [443]),
        (["https://a.example:8443", "http://10.0.0.7"], [443, 8443, 80]),
        (["https://[fd00::1]", "http://[fd00::1]:5000"], [443, 5000]),
    ],
)
def test_its_network_policy_lets_it_reach_each_registry(urls: list[str], ports: list[int]) -> None:
    upstreams = [{"registry": f"r{index}.example", "url": url} for index, url in enumerate(urls)]
    objects = render({**with_cache(upstreams=upstreams), "networkPolicy": {"enabled": True}})
    dns, registries = only(objects, "NetworkPolicy", f"{RELEASE}-cache")["spec"]["egress"]
    assert registries == {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}
    # 5353 is the port of OpenShift's DNS pods.
    assert dns["ports"] == [{"port": port, "protocol": name} for port in (53, 5353) for name in ("UDP", "TCP")]


def test_prometheus_finds_all_caches_and_knows_when_one_is_down() -> None:
    monitored = {
        **with_cache(metrics={"podMonitor": {"enabled": True}}),
        "metrics": {"prometheusRule": {"enabled": True}},
    }
    objects = render(monitored)
    selector = only(objects, "PodMonitor")["spec"]["selector"]["matchLabels"]
    for name in (HUB, OTHER):
        labels = only(objects, "StatefulSet", name)["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()
    rules = only(objects, "PrometheusRule")["spec"]["groups"][0]["rules"]
    down = [rule["expr"] for rule in rules if rule["alert"] == "DindCacheDown"]
    assert [f'statefulset="{name}"' in expr for name, expr in zip((HUB, OTHER), down, strict=True)] == [True, True]
    full = [rule["expr"] for rule in rules if rule["alert"] == "DindCacheFull"]
    assert f'"images-{HUB}-[0-9]+"' in full[0]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            with_cache(replicas=2, persistence={"enabled": False}),
            "cache.replicas is 2, but cache.persistence.enabled is off",
        ),
        (with_cache(upstreams=[]), "cache.enabled is on, but cache.upstreams is empty"),
        (with_cache(upstreams=[{"registry": "ghcr.io"}] * 2), "or ghcr.io twice: a registry has one cache"),
        (with_cache(image={"tag": ""}), "cache.image.tag is empty"),
        (
            with_cache(upstreams=[{"registry": f"r{number}.example"} for number in range(17)]),
            "defaults.registry-mirrors has 17 items, with those of cache.upstreams; at most 16 are accepted",
        ),
        (
            with_cache({"registry-mirrors": [f"m{number}.example=none" for number in range(15)]}),
            "defaults.registry-mirrors has 17 items, with those of cache.upstreams; at most 16 are accepted",
        ),
        (
            with_cache(upstreams=[{"registry": "index.docker.io"}]),
            "cache.upstreams has index.docker.io, but images name that registry docker.io",
        ),
        (
            {"cache": {"metrics": {"podMonitor": {"enabled": True}}}},
            "cache.metrics.podMonitor.enabled is on, but cache.enabled is off",
        ),
        (
            {**with_cache(), "settings": {"injection": {"modes": ["daemonset"]}}},
            "cache.enabled is on, but no daemon would use it",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused_in_a_sentence(values: Any, sentence: str) -> None:
    assert sentence in refusal(values)


@pytest.mark.parametrize("registry", ["hub", "https://ghcr.io", "ghcr.io/team", "UPPER.example", "*"])
def test_a_registry_that_is_no_name_is_refused(registry: str) -> None:
    assert "registry" in refusal(with_cache(upstreams=[{"registry": registry}]))


@pytest.mark.parametrize(
    "registry", ["10.0.0.300:5000", "a..b.example", "a-.b.example", "r.example:99999", "r.example:0"]
)
def test_a_registry_that_no_daemon_could_ask_is_refused(registry: str) -> None:
    sentence = refusal(with_cache(upstreams=[{"registry": registry}]))
    assert f"cache.upstreams has {registry}, which is not a host, or" in sentence


def test_registries_by_address_or_port_have_caches() -> None:
    upstreams = [{"registry": registry} for registry in ("10.0.0.7:5000", "registry:5000", "a-b.example:65535")]
    objects = render(with_cache(upstreams=upstreams))
    assert [each["kind"] for each in objects].count("StatefulSet") == 3
