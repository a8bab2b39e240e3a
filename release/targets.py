"""The architectures of a release, and the Python with which it is built, and which runs in the image."""

from dataclasses import dataclass

# That of the Debian suite which the image is assembled from
PYTHON = "python3.13"


@dataclass(frozen=True)
class Target:
    """An architecture, with the names that Debian, the OCI image specification, Python and pip have for it."""

    architecture: str
    machine: str

    @property
    def triplet(self) -> str:
        return f"{self.machine}-linux-gnu"

    @property
    def platforms(self) -> tuple[str, ...]:
        """Return the platforms whose wheels fit, as pip names them."""
        glibcs = ("2_17", "2_26", "2_27", "2_28", "2_31", "2_34")
        return (
            *(f"manylinux_{glibc}_{self.machine}" for glibc in glibcs),
            f"manylinux2014_{self.machine}",
            self.own_platform,
        )

    @property
    def own_platform(self) -> str:
        return f"linux_{self.machine}"


TARGETS = (Target("amd64", "x86_64"), Target("arm64", "aarch64"))
