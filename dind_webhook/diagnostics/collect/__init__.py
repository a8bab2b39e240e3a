"""Reads a cluster: the snapshot for the checks, and the inputs of `explain`."""
