"""Run a Kubernetes cluster of two nodes on this machine, built from package registries only, and remove it completely.

Modules, from low to high level: `errors`, `paths`, `steps` (progress on the terminal), `commands` (running a program),
`build_inputs`; `prerequisites`; `go`, `binaries` and `docker` (programs), `debian`, `kernel`, `oci`, `images`,
`base_image`, `disk` (builds, which are cached); `pki`, `processes`, `link`, `cgroups`, `sysctls`, `sandbox` (the Linux
namespaces of the cluster), `webhook_image`; `configs`, `services` (the processes beside the nodes), `vm` and
`local_node` (the nodes); `record`, `cluster` (starts and removes a cluster), `release` (installs the chart), `__main__`
(the command line). A module imports only modules of lower levels.
"""
