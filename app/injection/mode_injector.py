"""What the two modes do each in its own way."""

from collections.abc import Callable
from typing import NamedTuple

from app.injection.additions import Additions
from app.injection.decision import Denial
from app.injection.options import Options, Policy
from app.injection.selection import Selection
from app.injection.shared_volumes import Workspace
from app.model import Container, Pod


class ModeInjector(NamedTuple):
    """The functions of one mode, in the order in which they are called.

    `deny_options` and `deny_host_namespaces` return why a pod cannot have this mode, or None. `added_container_name`
    returns the name of the container that is added, or None. `share_volumes` returns what the daemon mounts of the
    clients' volumes.
    """

    deny_options: Callable[[Options, Policy], Denial | None]
    deny_host_namespaces: Callable[[Pod, Policy], Denial | None]
    added_container_name: Callable[[Options, Policy], str | None]
    starts_before_init_containers: Callable[[Options], bool]
    share_volumes: Callable[[Pod, tuple[Container, ...], Options, Policy], Workspace | Denial]
    build_additions: Callable[[Pod, Options, Policy, Selection, Workspace], Additions]
