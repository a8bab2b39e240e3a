"""Run a one-node Kubernetes cluster on this machine, built from package registries only, and remove it completely.

Modules, from low to high level: `errors`, `paths`, `steps` (progress on the terminal), `commands` (running a
program); `prerequisites`; `binaries`, `debian`, `oci`, `images`, `webhook_image` (builds, which are cached); `pki`,
`cgroups`, `sysctls`, `link`, `node` (the Linux namespaces of the node); `configs`, `services` (the processes on the
node); `cluster` (starts and removes a cluster), `release` (installs the chart), `__main__` (the command line). A
module imports only modules of lower levels.
"""
