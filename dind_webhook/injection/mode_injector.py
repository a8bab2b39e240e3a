"""The functions that each of the two modes implements."""

from collections.abc import Callable
from typing import NamedTuple

from dind_webhook.injection.additions import Additions
from dind_webhook.injection.decision import Denial
from dind_webhook.injection.options import Options
from dind_webhook.injection.policy import Policy
from dind_webhook.injection.selection import Selection
from dind_webhook.injection.shared_volumes import SharedVolumes
from dind_webhook.model import Container, Pod


class ModeInjector(NamedTuple):
    """The functions of one mode, in the order in which the rules call them.

    `deny_options` and `deny_host_namespaces` return a denial, or None. `added_container_name` returns the name of the
    container that the mode adds, or None if it adds none. `starts_before_init_containers` tells whether the init
    containers can have Docker. `share_volumes` returns the daemon's mounts of the clients' volumes, or a denial.
    """

    deny_options: Callable[[Options, Policy], Denial | None]
    deny_host_namespaces: Callable[[Pod, Options, Policy], Denial | None]
    added_container_name: Callable[[Options, Policy], str | None]
    starts_before_init_containers: Callable[[Options], bool]
    share_volumes: Callable[[Pod, tuple[Container, ...], Options, Policy], SharedVolumes | Denial]
    build_additions: Callable[[Pod, Options, Policy, Selection, SharedVolumes], Additions]
