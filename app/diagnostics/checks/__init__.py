"""The checks, as pure functions over a snapshot: no I/O and no clock."""
