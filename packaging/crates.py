"""The crates that are linked into the program, from cargo's own words; for notices and sbom."""

import json
import os
import subprocess
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent


def cargo(*arguments):
    command = [os.environ.get("CARGO", "cargo"), *arguments, "--locked"]
    vendor = os.environ.get("VENDOR")
    if vendor:
        command += ["--offline", "--config", 'source.crates-io.replace-with="vendored"']
        command += ["--config", f'source.vendored.directory="{Path(vendor).resolve()}"']
    return subprocess.run(command, cwd=HOME, check=True, stdout=subprocess.PIPE, text=True).stdout


def linked():
    """The package itself and its crates, in the order of their names, as cargo metadata describes them."""
    packages = json.loads(cargo("metadata", "--format-version=1"))["packages"]
    # The tree knows which features are on; the metadata have all that could be.
    tree = cargo("tree", "--edges=normal,no-proc-macro", "--prefix=none", "--format={p}")
    wanted = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    found = {(package["name"], "v" + package["version"]): package for package in packages}
    root = found[next(iter(line.split()[0] for line in tree.splitlines())), tree.split()[1]]
    return root, [found[name] for name in sorted(wanted) if found[name] is not root]
