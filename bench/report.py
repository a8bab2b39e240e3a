"""Write docs/performance.md from bench/results.json."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import results
from servers import KOPF, NGINX, OURS, RUNTIME, RUST, SERVERS
from verdict import Estimate, Limit, check_limit, count_limit

# Figures by server and kind, one for each round; those at the same position were measured within seconds of each other.
Cell: TypeAlias = Mapping[str, Mapping[str, Sequence[float]]]

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
NOTHING, CHART_WEBHOOK, CHART_RELEASE = "nothing", OURS, "dind-webhook and its ValidatingAdmissionPolicy"
MAP = "MutatingAdmissionPolicy"
HANDWRITTEN, ACTIONS = "hand-written container", "hand-written native sidecar"
EMBEDDED, NO_IPV6, SMALL_HEAP = "containerd embedded", "no IPv6 firewall", "small heap"
USERNS = "isolation userns"
VM, LOCAL_NODE = "virtual machine", "node of namespaces"
# Time after which a daemon is idle
IDLE_SECONDS = 10
INFO, RUN = "first `docker info`", "first `docker run`"
PULL, BUILD = "docker pull", "docker build"
SCHEDULED, SANDBOX, CREATED, RUNNING = "scheduled", "sandbox requested", "daemon's container requested", "it runs"
FIRST_LINE, DOCKERD, CONTAINERD = "first line of the entrypoint", "first line of dockerd", "containerd answers dockerd"
NETWORK, API, HOOK, CLIENT = "firewall and bridge are made", "the API listens", "the hook ends", "first container runs"
# The end of each stage of a pod of dind-webhook, in this order, and what takes the time of the stage
STAGES = {
    SCHEDULED: "the API server, the webhook and the scheduler",
    SANDBOX: "kubelet mounts the volumes",
    CREATED: "the sandbox: its network and its first process",
    RUNNING: "the start of the container",
    FIRST_LINE: "the start script, and the entrypoint's choice of iptables",
    DOCKERD: "the rest of the entrypoint, the wrapper, and loading dockerd",
    CONTAINERD: "dockerd starts containerd, and waits for it",
    NETWORK: "149 calls of iptables and ip6tables (counted with Docker 29.8.1)",
    API: "BuildKit, and all else that dockerd does",
    HOOK: "the answer to the hook, which links the socket",
    CLIENT: "kubelet starts the first container",
    INFO: "the client, and its plugins",
    RUN: "a container of an image that the daemon has",
}
OPTED_IN, NOT_OPTED_IN, UNCONFIGURED = "opted in", "not opted in", "no webhook configured"

# One pod with Docker per node every five seconds
_PODS_PER_NODE = 0.2
_NODES = (100, 1_000, 5_000)
_UTILISATION, _MIN_REPLICAS, _CPU_STEP = 0.5, 2, 0.05

_SERVERS = {
    OURS: "the whole product: all checks, metrics, a log line per request, TLS files that are watched",
    RUST: "the same patch by hand: axum, rustls and serde, link-time optimisation; no checks, no metrics, no log line",
    RUNTIME: "the same injection on typed objects and a patch by difference, as Go teams write it; metrics, no log line",
    KOPF: "the same injection as an admission handler of kopf, as Python teams write it; uvloop, no log line",
    NGINX: "one constant answer: the cost of TLS and HTTP alone",
}
_INJECTORS = {
    NOTHING: "nothing: all others are installed, and select other namespaces",
    CHART_WEBHOOK: "the chart's MutatingWebhookConfiguration",
    CHART_RELEASE: "all of the chart: the policy also validates every pod that requests Docker, after all webhooks",
    RUNTIME: "the same configuration, with controller-runtime as its server",
    RUST: "the same configuration, with the Rust handler as its server",
    MAP: "one JSONPatch mutation in CEL with the same additions on the same conditions; no checks",
}


NO_CACHE, CACHE, PREPULL, DAEMONSET = "nothing", "the cache", "the cache and pre-pull", "daemonset mode, no cache"
GOLDEN = "a golden volume, no cache"
JOB, DIGEST, LAYERS = "the Job", "the Job, by digest", "with layers"
# Bytes per second of the link to the registries: 200 Mbit/s
LINK_RATE = 25_000_000
_SENT = ("requests", "blobs sent", "fetches", "MB")
_NEAR_BY = {
    NO_CACHE: "each pod has a daemon, which asks the registries",
    CACHE: "`cache.enabled`, with a cache for each registry",
    PREPULL: "`prepull.enabled` too",
    GOLDEN: "`storage-data-source`: the storage of each daemon is a copy of a claim that has the images, on XFS, whose copies share blocks",
    DAEMONSET: "one daemon for all pods of the node, which asks the registries",
}
_BUILDS = {
    JOB: "`deploy/examples/job.yaml`, with an image of one of the registries: it builds an image and runs it",
    DIGEST: "the same, and its Dockerfile has the digest of the image instead of the tag",
    LAYERS: "a `RUN` that writes 6 MB, whose layer the first pod writes to the registry with `--cache-to` and the others read with "
    "`--cache-from`, as in [layers of builds](mirrors.md#layers-of-builds)",
}


_FORMS = {
    OURS: "`dind.io/inject: sidecar`, default settings: a native sidecar with a hook that waits for the daemon",
    HANDWRITTEN: "an ordinary container beside the first one, which asks ten times per second whether Docker answers",
    ACTIONS: "a native sidecar whose startup probe runs `docker info` every 5 s, as in the runner pods of Actions Runner "
    "Controller; the timeout is the default, 1 s",
}
_VARIANTS = {
    EMBEDDED: '`dind.io/dockerd-args: ["--feature=embedded-containerd"]`: dockerd and containerd in one process',
    NO_IPV6: '`dind.io/dockerd-args: ["--ip6tables=false"]`: no firewall rules for IPv6 networks, which then lack NAT',
    SMALL_HEAP: '`dind.io/env: \'{"GOGC": "50"}\'`: both programs collect garbage twice as often',
}


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(results.read()), "utf-8")


def print_limits(limits: Iterable[Limit]) -> None:
    """Print the verdicts, and the path of the page with all figures."""
    for limit in limits:
        print(f"{limit.verdict.strip('*'):<14}{limit.text}: {limit.figure}")
    print(f"written: {PAGE}")


def ratio(cell: Cell, kind: str, above: str, below: str) -> list[float]:
    """Return the ratio of the figures of two servers, round by round."""
    return [one / other for one, other in zip(cell[above][kind], cell[below][kind], strict=True)]


def added(cell: Cell, name: str, base: str) -> list[float]:
    """Return the difference of the median latencies with two injectors, round by round."""
    return _differences(cell[base]["p50"], cell[name]["p50"])


def ratio_of_added(cell: Cell, name: str) -> list[float]:
    """Return the ratio of what an injector and a MutatingAdmissionPolicy add; infinite if the policy adds nothing."""
    pairs = zip(added(cell, name, NOTHING), added(cell, MAP, NOTHING), strict=True)
    return [above / below if below > 0 else math.inf for above, below in pairs]


def compare_limits(compare: Mapping[str, Any]) -> list[Limit]:
    """Return the limits of `make bench`."""
    one, sixteen = compare["cells"]["4.4 KB × 1"], compare["cells"]["4.4 KB × 16"]
    resident, requests = compare["memory"]["resident_mb"], f"{compare['memory']['requests']:,} requests"
    half = len(resident) // 2
    growth = _differences(resident[:half], resident[-half:])
    containers = compare["growth"]["containers"]
    counts = zip(*(containers[count] for count in ("10", "250", "500")), strict=True)
    slopes = [((most - middle) / 250) / ((middle - few) / 240) for few, middle, most in counts]
    without_fields, *_, with_fields = compare["growth"]["managed_fields"].values()
    fields = [more / less for less, more in zip(without_fields, with_fields, strict=True)]
    return [
        _limit("throughput at least 5 × controller-runtime's", ratio(sixteen, "rps", OURS, RUNTIME), 5, at_least=True),
        _limit("throughput at least 10 × kopf's", ratio(sixteen, "rps", OURS, KOPF), 10, at_least=True),
        _limit("median latency at most 2.5 × a constant answer's (nginx)", ratio(one, "p50", OURS, NGINX), 2.5),
        _limit(
            "99th percentile at 16 connections at most controller-runtime's", ratio(sixteen, "p99", OURS, RUNTIME), 1
        ),
        _limit(f"resident memory at most 70 MB after {requests}", resident[-half:], 70, " MB"),
        _limit(f"resident memory grows by at most 1 MB over half of {requests}", growth, 1, " MB"),
        _limit("ready within 1.5 s", compare["ready"], 1.5, " s"),
        _limit("a pod of 500 containers takes at most 5 ms", [1e3 * one for one in containers["500"]], 5, " ms"),
        _limit("cost is linear: the last 250 containers cost at most 1.3 × as much each as those before", slopes, 1.3),
        _limit("7 KB more of managedFields cost at most a tenth of a small review", fields, 1.1),
    ]


def api_limits(api: Mapping[str, Any]) -> list[Limit]:
    """Return the limits of `make bench-api`."""
    text = "adds at most 1.3 × what a MutatingAdmissionPolicy adds"
    limits = [
        _limit(f"{_creators(number)}: {text}", ratio_of_added(cell, CHART_WEBHOOK), 1.3)
        for number, cell in api["asking"].items()
    ]
    for number, cell in api["unasked"].items():
        for name in (NOT_OPTED_IN, OPTED_IN):
            percent = [100 * (one - 1) for one in ratio(cell, "p50", name, UNCONFIGURED)]
            text = f"{_creators(number)}: adds at most 5 % for a pod that does not request Docker, namespace {name}"
            limits.append(_limit(text, percent, 5, " %"))
    return limits


def docker_limits(docker: Mapping[str, Any]) -> list[Limit]:
    """Return the limits of `make bench-docker`."""
    return [
        _limit(f"{stage} on the {node} no later than in a {peer}", ratio(figures["stages"], stage, OURS, peer), 1)
        for node, figures in docker["nodes"].items()
        for stage in (INFO, RUN)
        for peer in (HANDWRITTEN, ACTIONS)
    ]


def near_by_limits(near_by: Mapping[str, Any]) -> list[Limit]:
    """Return the limits of `make bench-images`."""
    forms, pods = near_by["forms"], near_by["machine"]["pods"]
    fetches = max(forms[name]["wave"]["fetches"] for name in (CACHE, PREPULL))
    requests = forms[CACHE]["builds"][DIGEST][1]["requests"]
    return [
        count_limit(
            f"with the cache, {pods} pods at once fetch a blob at most once", f"{fetches}", is_met=fetches <= 1
        ),
        count_limit(
            "with the cache, a second pod that builds from an image by digest costs the registry no request",
            f"{requests}",
            is_met=requests == 0,
        ),
    ]


def soak_limits(soak: Mapping[str, Any]) -> list[Limit]:
    """Return the limits of `make soak`: early is the second fifth of the time, after the warm-up, late is the last."""
    points = soak["points"]
    fifth = max(1, len(points["p50"]) // 5)
    pairs = {name: (values[fifth : 2 * fifth], values[-fifth:]) for name, values in points.items()}
    slower = {name: [late / early for early, late in zip(*pairs[name], strict=True)] for name in ("p50", "p99")}
    failed, served, rotations = soak["failed"], soak["served"], soak["rotations"]
    requests = sum(soak["answers"].values()) + failed
    return [
        count_limit("no request fails", f"{failed} of {requests:,}", is_met=failed == 0),
        count_limit("every certificate is served", f"{served} of {rotations}", is_met=served == rotations > 0),
        _limit("median latency late at most 1.3 × early", slower["p50"], 1.3),
        _limit("99th percentile late at most 1.3 × early", slower["p99"], 1.3),
        _limit("resident memory grows by at most 2 MB", _differences(*pairs["resident_mb"]), 2, " MB"),
        _limit(
            "the number of file descriptors other than connections does not grow",
            _differences(*pairs["other_descriptors"]),
            0,
            "",
        ),
    ]


def _limit(text: str, rounds: Sequence[float], limit: float, unit: str = " ×", *, at_least: bool = False) -> Limit:
    estimate = Estimate.of(rounds)
    return Limit(text, estimate.show(2, unit), check_limit(estimate, limit, at_least=at_least))


def _differences(before: Sequence[float], after: Sequence[float]) -> list[float]:
    return [late - early for early, late in zip(before, after, strict=True)]


def page(sections: Mapping[str, Any]) -> str:
    """Return the page."""
    compare, api, soak, docker = (sections[name] for name in ("compare", "api_server", "soak", "time_to_docker"))
    about, cells, growth = compare["machine"], compare["cells"], compare["growth"]
    near_by = sections["images_near_by"]
    limits = [*compare_limits(compare), *api_limits(api), *soak_limits(soak), *docker_limits(docker)]
    limits += near_by_limits(near_by)
    small, large = compare["sizes"].values()
    containers = ", ".join(f"{count}: {_ms(seconds)}" for count, seconds in growth["containers"].items())
    fields = ", ".join(f"{_ms(one)} at {int(size) / 1e3:.1f} KB" for size, one in growth["managed_fields"].items())
    versions = ", ".join(f"{name} {version}" for name, version in compare["versions"].items())
    peaks = ", ".join(f"{name} {compare['peak_mb'][name]:.1f}" for name in SERVERS)
    return f"""# Performance

<!-- Written by `make bench`, `make bench-api`, `make bench-docker`, `make bench-images` and `make soak` from bench/results.json. -->

How long does a pod wait for the injection of its Docker daemon, and how many pods can one replica take? `make bench` compares
dind-webhook with other injectors, `make bench-api` measures [in the API server](#in-the-api-server), `make bench-docker` measures
[until Docker answers](#time-to-docker), `make bench-images` measures [waves of pods that pull](#images-from-near-by), and `make soak`
measures [over time](#over-time).

## Servers

{_table(["server", "description"], _SERVERS.items())}

Each server runs on one core, and wrk on another. Connections use HTTPS with HTTP/1.1 and stay open, as those of an API server do. All servers
take turns in every round. Reviews have {small:,} or {large:,} bytes, each with its own uid and token volume. Before anything is measured,
every peer must make the same pod as dind-webhook; the Rust handler must return the very same operations. controller-runtime has
`GOMAXPROCS=1` and `GOGC=400`. Versions: {versions}.

{_conditions(about)}

Figures are medians of all rounds. From six rounds on, the range in parentheses contains the true median with a confidence of 95 %; with fewer
rounds, it is the range of all rounds. Ratios and differences are between figures of the same round.

## Limits

These are the limits that the project sets itself. A limit is *not resolved* if the noise is larger than the effect, so that the range contains
the limit. With fewer than six rounds, no limit is resolved.

{_table(["met", "limit", "measured"], ((one.verdict, one.text, one.figure) for one in limits))}

## Throughput and latency

dind-webhook divided by each peer, reviews of 4.4 KB; more throughput, less latency and less CPU time are better:

{_peer_table(cells)}

Requests per second on one core, by size of the review and number of connections:

{_figure_table(cells, "rps", 1)}

CPU time of one request in µs, with TLS and HTTP:

{_figure_table(cells, "cpu", 1e6)}

Median latency in µs:

{_figure_table(cells, "p50", 1e6)}

99th percentile of the latency in µs:

{_figure_table(cells, "p99", 1e6)}

## Memory and large pods

Peak of the resident memory in MB, with 16 connections: {peaks}.

Time of a review without HTTP, by number of containers: {containers}. The parser has to skip `managedFields`: a review of two containers takes
{fields}.

{_api_section(api)}

## Size it

A replica uses one core and has no worker processes: replicas are the unit of scale, and share nothing. The table assumes a busy cluster that
creates one pod with Docker per node every five seconds; the API server calls the webhook {_times(api["calls"])} for each. With one replica
down, the others are busy half of the time at most. The CPU request is what they use then.

{_size_table(cells, api["calls"])}

[Operations](operations.md#scale) has the settings.

{_docker_section(docker)}

{_near_by_section(near_by)}

{_soak_section(soak)}"""


def _conditions(about: Mapping[str, Any]) -> str:
    """Return sentences on the run, the code, the machine and its load."""
    parts = [f"{about[name]} {text}" for name, text in (("rounds", "rounds"), ("seconds", "s")) if name in about]
    length = f"This run: {' of '.join(parts)}" if parts else "This run was"
    build = "compiled as in the image" if about["compiled"] else "not compiled"
    return (
        f"{length} on {about['date']}, commit {about['commit']}, {build}, Python {about['python']}, {about['cpu']}, "
        f"{about['cores']} cores,\nLinux {about['linux']}. The load average before it was {about['load_before']}."
    )


def _peer_table(cells: Mapping[str, Cell]) -> str:
    one, sixteen = cells["4.4 KB × 1"], cells["4.4 KB × 16"]
    figures = {
        "throughput, 16 connections": (sixteen, "rps"),
        "median latency, 1 connection": (one, "p50"),
        "CPU time of a request": (sixteen, "cpu"),
    }
    rows = (
        [peer, *(Estimate.of(ratio(cell, kind, OURS, peer)).show(2, " ×") for cell, kind in figures.values())]
        for peer in SERVERS[1:]
    )
    return _table(["peer", *figures], rows)


def _figure_table(cells: Mapping[str, Cell], kind: str, factor: float) -> str:
    rows = (
        [name, *(f"{Estimate.of(cell[name][kind]).median * factor:,.0f}" for cell in cells.values())]
        for name in SERVERS
    )
    return _table(["server", *cells], rows)


def _api_section(api: Mapping[str, Any]) -> str:
    version = api["machine"]["kubernetes"].removeprefix("v")
    return f"""## In the API server

`make bench-api` creates pods in an API server of its own (Kubernetes {version}, etcd without fsync) that shares the cores with the webhooks and
wrk. Namespaces take turns; the pod is the one of the 4.4 KB review. Before anything is measured, all injectors must make the same pod.

{_conditions(api["machine"])}

{_table(["injector", "installed for its namespace"], _INJECTORS.items())}

The API server calls dind-webhook {_times(api["calls"])} for each pod, because it
[mounts the service account token itself](decisions/0017-the-token-is-mounted-at-once.md). All others do so too.

Pods that request Docker, times in ms:

{_creation_table(api["asking"], list(_INJECTORS), with_ratio=True)}

Pods that do not request Docker, with all of the chart installed or nothing, times in ms:

{_creation_table(api["unasked"], [UNCONFIGURED, NOT_OPTED_IN, OPTED_IN], with_ratio=False)}"""


def _creation_table(cells: Mapping[str, Cell], names: list[str], *, with_ratio: bool) -> str:
    base = names[0]
    rows = []
    for creators, cell in cells.items():
        for name in names:
            more = "" if name == base else Estimate.of(added(cell, name, base)).show(2, "", 1e3)
            row = [creators, name, Estimate.of(cell[name]["p50"]).show(2, "", 1e3), more]
            if with_ratio:
                row.append("" if name in (base, MAP) else Estimate.of(ratio_of_added(cell, name)).show(2, " ×"))
            rows.append([*row, Estimate.of(cell[name]["p99"]).show(1, "", 1e3)])
    headings = ["creators", "namespace", "median", "added", *(["added / policy's"] if with_ratio else [])]
    return _table([*headings, "99th percentile"], rows)


def size(cores: float) -> tuple[int, float]:
    """Return how many replicas a load of so many busy cores needs, and the CPU request of each in cores."""
    replicas = max(_MIN_REPLICAS, math.ceil(cores / _UTILISATION) + 1)
    steps = max(1, math.ceil(cores / (replicas - 1) / _CPU_STEP))
    return replicas, round(steps * _CPU_STEP, 2)


def _size_table(cells: Mapping[str, Cell], calls: int) -> str:
    cpu = {label: Estimate.of(cells[f"{label} × 1"][OURS]["cpu"]).median * calls for label in ("4.4 KB", "37 KB")}
    rows = []
    for nodes in _NODES:
        pods = nodes * _PODS_PER_NODE
        loads = [pods * seconds for seconds in cpu.values()]
        replicas = (f"{count} × {request * 1000:.0f}m" for count, request in map(size, loads))
        rows.append([f"{nodes:,}", f"{pods:,.0f}", *(f"{load:.2f}" for load in loads), *replicas])
    columns = [f"{column}, {label}" for column in ("busy cores", "replicas × CPU request") for label in cpu]
    return _table(["nodes", "pods with Docker per second", *columns], rows)


def _docker_section(docker: Mapping[str, Any]) -> str:
    version = docker["machine"]["kubernetes"].removeprefix("v")
    nodes = docker["nodes"]
    return f"""## Time to Docker

`make bench-docker` creates one pod after the other on each of the two nodes of a cluster (Kubernetes {version}, containerd 2.4, Docker 29)
that have all images. The {VM} is user-mode Linux with cgroup v2 and two processors: a node as people have it, but the start of a program
takes ten times as long. The {LOCAL_NODE} has the kernel of the machine, and cgroup v1, on which the start script changes no cgroup. The
forms of a pod take turns. The first container of each runs `docker info` until it succeeds, pulls an image, and runs it: the time of the
pull is not counted, so the first `docker run` is that of a cached image.

{_conditions(docker["machine"])} After it, it was
{docker["machine"]["load_after"]}: the cores are shared with the control plane, with the other node, and with what else runs on the machine. A load
above the number of cores makes all figures larger.

{_table(["form", "description"], _FORMS.items())}

Seconds after the creation of the pod:

{_docker_table(nodes)}

### Where each second goes

Medians in seconds of a pod of dind-webhook, from the end of the previous stage to the end of this one:

{_stage_table(nodes)}

The hook ends a moment after the API listens. From then on, a pod of dind-webhook takes longer than the hand-written container: its
first container starts only now, and its first client too, while the hand-written client has been waiting since its own start. That is
the price of commands that cannot come too early; [a note](decisions/0029-the-hook-holds-the-other-containers-back.md) has the reasons.

Most of the time is dockerd's own, and the same in all forms. The start script reads files with the shell, and starts five programs on
cgroup v2 (28 before). The hook starts its client when dockerd has made its socket, which is long before the API answers; before, up to
five clients per second competed with the daemon. The nodes have the images of all containers: pulling them would come on top.

### Memory of an idle sidecar

MB, {IDLE_SECONDS} s after the first container on the {LOCAL_NODE}. *Private* are pages that no other process can share. *Proportional* adds the pages
of program files, each divided by the number of processes that use it: pods of a node share them. *Resident* counts them in full.

{_memory_table(nodes[LOCAL_NODE]["memory"])}

What changes these figures, by annotations; times on the same node in seconds:

{_variant_table(nodes[LOCAL_NODE])}

Embedded containerd is experimental, so [it is not the default](decisions/0031-containerd-stays-a-process-of-its-own.md). The other two
are no defaults either: IPv6 networks would lack their firewall, and more garbage collection takes processor time from builds.

### With a user namespace

[Isolation](isolation.md) `userns` beside `none` on the {VM}, in seconds. The start is the time to the first `docker info`. The image
is busybox from a registry in the cluster, and the build has one `RUN`. A ratio is that of pods of the same round.

{_isolation_table(nodes[VM]["stages"])}"""


def _near_by_section(near_by: Mapping[str, Any]) -> str:
    about, forms = near_by["machine"], near_by["forms"]
    pods = about["pods"]
    return f"""## Images from near by

`make bench-images` creates {pods} pods at once on one node of a cluster (Kubernetes {about["kubernetes"].removeprefix("v")}). Each pulls three images of 13 MB from
three registries, and builds from them. All registries together are behind a link of {LINK_RATE * 8 // 10**6} Mbit/s. Without pre-pull, the node pulls the daemon's image
first, from a registry beside it; in daemonset mode the daemon runs already. When all have ended, one more pod does the same. [Images from
near by](mirrors.md) has the settings.

{_conditions(about)} After it, it was
{about["load_after"]}: {pods} daemons at once on two cores take longer to start than to pull, so look at what the registries send first.

{_table(["form", "description"], _NEAR_BY.items())}

Seconds after the creation of the pods, and what the registries were asked for and sent. *Fetches* is how often they sent the blob that they
sent most often:

{_near_by_table(forms, pods)}

Requests that no cache can save are those that look up a tag. Docker Hub counts requests for manifests, but not these, which are `HEAD`.

### Builds that run again

Three pods, one after the other, build the same. Pre-pull changes nothing then, because the node has the daemon's image. A build is one of:

{_table(["build", "description"], _BUILDS.items())}

The Job mounts a directory of its pod in a container, which daemonset mode does not support. Seconds from the creation of a pod until it has ended, and
what the registry was asked for and sent. Requests for `/v2/` alone are not counted, with which Distribution finds out how to log in:

{_builds_table(forms)}"""


def _near_by_table(forms: Mapping[str, Any], pods: int) -> str:
    rows = []
    for name in _NEAR_BY:
        for label, of in ((f"{pods} at once", forms[name]["wave"]), ("one more", forms[name]["later"])):
            pulled, built = of["seconds"]["pulled"], of["seconds"]["built"]
            times = [f"{one:.0f}" for one in (median(pulled), max(pulled), max(built))]
            rows.append([name, label, *times, *_sent(of)])
    headings = ["form", "pods", "median has pulled", "last has pulled", "last has built", *_SENT]
    return _table(headings, rows)


def _builds_table(forms: Mapping[str, Any]) -> str:
    rows = []
    for build in _BUILDS:
        for name in _NEAR_BY:
            if build in (builds := forms[name].get("builds", {})):
                first, second, third = builds[build]
                times = [f"{pod['seconds']:.1f}" for pod in (first, second)]
                later = [f"{pod[kind]:,}" for pod in (second, third) for kind in ("requests", "blobs")]
                rows.append([build, name, *times, *later])
    pods = [f"{pod}, {kind}" for pod in ("second", "third") for kind in ("requests", "blobs sent")]
    return _table(["build", "form", "first, seconds", "second, seconds", *pods], rows)


def _sent(figures: Mapping[str, float]) -> list[str]:
    """Return what the registries were asked for and sent, in the columns _SENT."""
    counts = (f"{figures[kind]:,}" for kind in ("requests", "blobs", "fetches"))
    return [*counts, f"{figures['megabytes']:,.0f}"]


def _docker_table(nodes: Mapping[str, Any]) -> str:
    rows = (
        [node, form, *(Estimate.of(figures["stages"][form][stage]).show(2, "") for stage in (CLIENT, INFO, RUN))]
        for node, figures in nodes.items()
        for form in _FORMS
    )
    return _table(["node", "form", CLIENT, INFO, RUN], rows)


def _stage_table(nodes: Mapping[str, Any]) -> str:
    """Return how long each stage takes, which is the median of the differences of the same pods."""
    ends = [figures["stages"][OURS] for figures in nodes.values()]
    previous = dict(zip(STAGES, [None, *STAGES], strict=False))
    rows = []
    for stage, text in STAGES.items():
        before = previous[stage]
        times = [_differences(end[before], end[stage]) if before else end[stage] for end in ends]
        rows.append([stage, text, *(f"{Estimate.of(seconds).median:.2f}" for seconds in times)])
    return _table(["end of the stage", "what takes the time", *nodes], rows)


def _memory_table(memory: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    kinds = {"private": "Anonymous", "proportional": "Pss", "resident": "Rss"}
    rows = (
        [f"{process}, {label}", *(Estimate.of(memory[form][f"{process} {kind}"]).show(0, "") for form in _FORMS)]
        for process in ("dockerd", "containerd")
        for label, kind in kinds.items()
    )
    return _table(["process", *_FORMS], rows)


def _variant_table(figures: Mapping[str, Any]) -> str:
    rows = []
    for form, text in {OURS: "the defaults", **_VARIANTS}.items():
        stages, memory = figures["stages"][form], figures["memory"][form]
        totals = []
        for kind in ("Anonymous", "Pss"):
            rounds = zip(*(values for name, values in memory.items() if name.endswith(kind)), strict=True)
            totals.append(Estimate.of([sum(values) for values in rounds]).show(0, ""))
        times = (Estimate.of(stages[stage]).show(2, "") for stage in (INFO, RUN))
        rows.append([text, *times, *totals])
    return _table(["setting", INFO, RUN, "private, both", "proportional, both"], rows)


def _isolation_table(stages: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    times = {
        form: {"start": of[INFO], "pull": of[PULL], "run": _differences(of[INFO], of[RUN]), "build": of[BUILD]}
        for form, of in stages.items()
    }
    without, isolated = times[OURS], times[USERNS]
    rows = []
    for action in without:
        ratios = [one / other for one, other in zip(isolated[action], without[action], strict=True)]
        rows.append(
            [action, *(Estimate.of(figures).show(2, "") for figures in (without[action], isolated[action], ratios))]
        )
    return _table(["action", "`none`", "`userns`", "ratio"], rows)


def _soak_section(soak: Mapping[str, Any]) -> str:
    answers = ", ".join(f"{count:,} {name}" for name, count in soak["answers"].items())
    return f"""## Over time

`make soak` keeps one server busy at a steady, moderate pace: eight connections that stay open, and ten new ones per second. Requests of both
sizes, denied, opted-out and malformed ones take turns. A new certificate replaces the served one every half minute. Early is the second
fifth of the time, late is the last one. {_conditions(soak["machine"])}

Answered as expected: {answers}.
"""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ms(seconds: Sequence[float]) -> str:
    return f"{Estimate.of(seconds).median * 1e3:.2f} ms"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _creators(number: str) -> str:
    return "one creator" if number == "1" else f"{number} creators"
