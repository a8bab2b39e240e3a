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

    `options_denial` and `namespaces_denial` return why a pod cannot have this mode, or None. `own_container` returns
    the name of the container that is added, or None. `share` returns what the daemon mounts of the clients' volumes.
    """

    options_denial: Callable[[Options, Policy], Denial | None]
    namespaces_denial: Callable[[Pod, Policy], Denial | None]
    own_container: Callable[[Options, Policy], str | None]
    runs_before_init_containers: Callable[[Options], bool]
    share: Callable[[Pod, tuple[Container, ...], Options, Policy], Workspace | Denial]
    additions: Callable[[Pod, Options, Policy, Selection, Workspace], Additions]
