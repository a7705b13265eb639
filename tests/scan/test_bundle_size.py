"""What one pod's manifest leaves on disk: few files, few bytes, and the content of its provider alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnamm_scan import api
from cnamm_scan.evidence.bundle import open_bundle
from cnamm_scan.model import Result

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web, image: 'nginx:1.27'}]}\n"
FILES, BYTES = 40, 400_000
"""It was 1,188 files and 5.9 MB."""


def _said(result: Result) -> dict[str, Any]:
    """All but the parameters, of which a bundle keeps fractions as text."""
    return {name: value for name, value in result.row().items() if name != "parameters"}


def test_a_bundle_of_one_pod_is_small(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    with api.scan([f"kubernetes:{tmp_path / 'pod.yaml'}"], output=tmp_path / "out") as done:
        assert done.path is not None
        files = [file for file in done.path.rglob("*") if file.is_file()]
        assert len(files) <= FILES
        assert sum(file.stat().st_size for file in files) <= BYTES
        assert sum(-(-file.stat().st_size // 4096) * 4 for file in files) <= 400  # KiB, as `du` tells what lies on most disks
        report, results = done.report(), [_said(result) for result in done.results()]
        bundle = open_bundle(done.path)
        names = {"/".join(name.split("/")[:2]) for name in bundle.method() if not name.startswith("mappings/")}
        assert "rules/kubernetes" in names
        assert "rules/aws" not in names
        assert len(bundle.manifest["files"]) < 20
    for way in (api.load_bundle, api.evaluate):  # what is left says all of it again
        with way(done.path) as again:
            assert again.report() == report
            assert [_said(result) for result in again.results()] == results
            assert again.content.sha256 == report["scan"]["content"]["sha256"]


def test_the_same_as_a_zip(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    output = tmp_path / "pod.cnamm.zip"
    with api.scan([f"kubernetes:{tmp_path / 'pod.yaml'}"], output=output) as done:
        assert done.path == output
        report = done.report()
    assert sorted(tmp_path.iterdir()) == sorted([output, tmp_path / "pod.yaml"])
    assert output.stat().st_size <= BYTES
    with api.load_bundle(output) as again:
        assert again.report() == report
