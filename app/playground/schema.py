"""What all values that travel to the page and from it have in common."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A frozen value with exactly these members, to and from JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")
