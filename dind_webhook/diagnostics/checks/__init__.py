"""The checks: pure functions over a snapshot, without I/O or a clock."""
