"""Composition roots: each module here puts one process together, from settings to a running event loop.

Import the modules, not the package: the serving process must not load the client of the API server.
"""
