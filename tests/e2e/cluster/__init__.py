"""A real one-node Kubernetes on this machine, made of package registries alone, and gone without a trace.

Rooms, low to high: `errors`, `places` (which file is where), `steps` (what the person sees), `commands` (running a
program); `prerequisites`; `binaries`, `debian`, `oci`, `images`, `webhook_image` (what is built once and cached);
`pki`, `cgroups`, `sysctls`, `link`, `node` (the namespaces that are the node); `configs`, `services` (what runs in
it); `cluster` (brings it up and down), `release` (the chart in it), `__main__` (the command line). A module imports
only from rooms before its own.
"""
