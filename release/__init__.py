"""Make everything that a release publishes, from one commit: `python -m release` fills dist/.

`preconditions` checks what a release needs before anything is built, `commit` reads and exports the commit,
`assembly` makes the files one after another, and `dist` replaces the folder with them.

`targets` has the architectures and the version of Python. `debian` fetches the locked Debian packages, `sandbox` runs
a command on a root file system of them, `application` builds the Python package and installs it with its dependencies
for an architecture, `unused` removes what nothing imports, `oci` writes images, and `image` puts these together.
`plugin` packs the kubectl plugin as one file for each platform, with pex (`write_pex`), and writes krew's manifest.
`chart` packs the chart and renders install.yaml, both with the digest of the image. `sbom` lists the packages in the
image and in the plugin, `changelog` cuts the release notes, `archive` writes tar files with equal bytes, and
`programs` runs the programs of this machine.
"""
