"""Files of manifests: where each object stands, what is a part and no object, and that all that cannot be read is named at once."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.errors import UsageError
from cnamm_scan.providers.kubernetes import files
from cnamm_scan.providers.kubernetes.manifests import ManifestProvider


def thing(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, **more}


def laid(folder: Path, **texts: str) -> Path:
    """Files by their paths, with __ for a slash and _ for the last dot."""
    for name, text in texts.items():
        stem, _, ending = name.rpartition("_")
        file = folder / f"{stem.replace('__', '/')}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return folder


def lines(source: Path) -> dict[str, int]:
    """Name of each object -> its line."""
    return {each.document["metadata"]["name"]: each.line for each in files.read(str(source)).objects}


def refused(source: Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        ManifestProvider(str(source))
    return caught.value


# ---- what is there ---------------------------------------------------------------------------------------------------------


def test_a_pipe_is_called_one_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    error = refused(tmp_path / "pipe.yaml")
    assert error.what.startswith("a pipe, and no file or folder")
    assert (error.where, error.do) == (
        f"kubernetes:{tmp_path}/pipe.yaml",
        "pipe manifests in: helm template … | cnamm-scan scan kubernetes:-",
    )
    reading, writing = os.pipe()
    try:
        if Path(f"/dev/fd/{reading}").exists():
            assert refused(Path(f"/dev/fd/{reading}")).what == error.what
    finally:
        os.close(reading)
        os.close(writing)


def test_what_else_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    assert refused(tmp_path / "gone.yaml").what == "a link to what is not there"
    assert refused(Path("/dev/null")).what == "a device or a socket, and no file or folder"
    assert refused(tmp_path / "a\0b").what == "no such file or folder"
    assert refused(Path("~nobody-of-that-name/x")).what == "no such file or folder"
    (tmp_path / "web.yaml").write_text("{}")
    assert refused(tmp_path / "web.yaml" / "x").what == "no such file or folder"


def test_in_a_folder_what_is_no_file_is_named_and_not_passed_over(tmp_path: Path) -> None:
    laid(tmp_path, a_yaml=BASE)
    os.mkfifo(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").symlink_to("nowhere")
    (tmp_path / "d.yaml").mkdir()
    error = refused(tmp_path)
    assert f"{tmp_path}/b.yaml: a pipe" in error.what
    assert f"{tmp_path}/c.yaml: a link to what is not there" in error.what
    scope = ManifestProvider(str(tmp_path), skip_unreadable=True).target.scope
    assert [each["file"] for each in scope["unreadable"]] == [f"{tmp_path}/b.yaml", f"{tmp_path}/c.yaml"]


# ---- lines ---------------------------------------------------------------------------------------------------------------


def test_an_object_stands_where_its_first_word_does(tmp_path: Path) -> None:
    text = """
        # a comment
        apiVersion: example.com/v1
        kind: Thing
        metadata: {name: a}
        ---

        # another
        kind: Thing
        apiVersion: example.com/v1
        metadata:
          name: b
        ---
        {kind: Thing, apiVersion: example.com/v1,
         metadata: {name: c}}
        ---
        kind: List
        apiVersion: v1
        items:
          - kind: Thing
            apiVersion: example.com/v1
            metadata: {name: d}

          - {kind: Thing, apiVersion: example.com/v1, metadata: {name: e}}
          - kind: List
            apiVersion: v1
            items:
            - &f
              kind: Thing
              apiVersion: example.com/v1
              metadata: {name: f}
            - <<: *f
              metadata: {name: g}
        ---
        kind: ThingList
        apiVersion: example.com/v1
        items:
        - metadata: {name: h}
    """
    laid(tmp_path, all_yaml=text)
    assert lines(tmp_path) == {"a": 3, "b": 9, "c": 14, "d": 20, "e": 24, "f": 28, "g": 32, "h": 38}


@given(st.data())
def test_lines_of_documents(data: st.DataObject) -> None:
    """Whatever stands between them."""
    text, expected = data.draw(st.sampled_from(["", "\ufeff", "# head\n", "---\n", "\n\n"])), {}
    for number in range(data.draw(st.integers(1, 5))):
        between = data.draw(st.lists(st.sampled_from(["", "# note", "---"]), max_size=3)) if number else []
        text += "".join(f"{line}\n" for line in [*between, *(["---"] if number else [])])
        expected[f"n{number}"] = text.count("\n") + 1
        text += yaml.safe_dump(thing(f"n{number}", spec={"a": [1, {"b": data.draw(st.sampled_from(["x", "two\nlines", "{{ x }}"]))}]}))
    assert _lines_of(text.lstrip("\ufeff")) == expected


@given(st.data())
def test_lines_of_json_in_whatever_form(data: st.DataObject) -> None:
    """One value after the other, in lists and lists of lists, on one line or on many."""
    names = iter(range(1000))
    expected: dict[str, int] = {}

    def value(depth: int, forms: tuple[str, ...] = ("thing", "array", "List", "ThingList")) -> Any:
        form = data.draw(st.sampled_from(forms if depth else ("thing",)))
        if form == "thing":
            return thing(f"n{next(names)}", items="none", more={"items": [{"a": '"}{[,'}]})
        within = {"array": forms, "List": tuple(each for each in forms if each != "array"), "ThingList": ("thing",)}[form]
        inner = [value(depth - 1, within) for _ in range(data.draw(st.integers(0, 3)))]
        return inner if form == "array" else {"apiVersion": "example.com/v1", "kind": form, "items": inner}

    text = data.draw(st.sampled_from(["", "\n", " \n\n"]))
    for _ in range(data.draw(st.integers(1, 3))):
        dumped = json.dumps(value(2), indent=data.draw(st.sampled_from([None, 1, 4])))
        text += dumped + data.draw(st.sampled_from([" ", "\n", "\n\n"]))
    for number in range(next(names)):
        before = text[: text.index(f'"n{number}"')]
        at = before.rindex('"apiVersion"')
        expected[f"n{number}"] = text[: text.rindex("{", 0, at)].count("\n") + 1
    assert _lines_of(text) == expected


def _lines_of(text: str) -> dict[str, int]:
    file = files._File(Path("x.json"), "x.json", "x.json", text)
    found = [each for placed in files._documents(file) for each in files._objects(file, placed, placed.value)]
    return {each.document["metadata"]["name"]: each.line for each in found if each.kind == "Thing"}


def test_of_two_items_the_last_counts() -> None:
    items = [json.dumps([thing(name)]) for name in "ab"]
    text = f'{{"kind": "List",\n"items": {items[0]},\n"apiVersion": "v1",\n"\\u0069tems":\n {items[1]}}}'
    assert _lines_of(text) == {"b": 5}


def test_json_one_after_the_other(tmp_path: Path) -> None:
    laid(tmp_path, nd_json="\n".join(json.dumps(thing(name)) for name in "abc"), two_json=json.dumps(thing("d"), indent=2) * 2)
    (tmp_path / "marked.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(thing("e")).encode())
    assert lines(tmp_path) == {"a": 1, "b": 2, "c": 3, "d": 7, "e": 1}
    assert len(files.read(str(tmp_path)).objects) == 6


# ---- parts of kustomizations -----------------------------------------------------------------------------------------------

PATCH = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: patch}\n"
BASE = PATCH.replace("patch", "base")


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
@pytest.mark.parametrize(
    "said",
    [
        "patches: [{path: patch.yaml}]",
        "patchesStrategicMerge: [patch.yaml, 'kind: Thing\\nmetadata: {name: inline}']",
        "patchesJson6902: [{path: ./patch.yaml, target: {kind: Thing, name: base}}]",
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{path: ../overlay/patch.yaml}]",
        "configMapGenerator: [{name: c, files: [key=patch.yaml]}]",
        "replacements: [{path: patch.yaml}]",
        "transformers: [patch.yaml]",
        "helmCharts: [{name: x, valuesFile: patch.yaml}]",
    ],
)
def test_what_a_kustomization_lays_over_objects_is_none(tmp_path: Path, name: str, said: str) -> None:
    laid(tmp_path, base__base_yaml=BASE, overlay__patch_yaml=PATCH)
    (tmp_path / "overlay" / name).write_text(f"resources: [../base]\n{said}\n")
    found = files.read(str(tmp_path))
    assert [each.document["metadata"]["name"] for each in found.objects] == ["base"]
    assert found.patches == [f"{tmp_path}/overlay/patch.yaml"]
    scope = ManifestProvider(str(tmp_path)).target.scope
    assert scope["objects"] == 1
    assert f"kubectl kustomize {tmp_path}/overlay | cnamm-scan scan kubernetes:-" in scope["notes"][0]


def test_the_kustomization_that_others_build_on_is_not_the_one_to_render(tmp_path: Path) -> None:
    laid(tmp_path, base__kustomization_yaml="resources: [a.yaml]", base__a_yaml=BASE, prod__kustomization_yaml="resources: [../base]")
    laid(tmp_path, part__kustomization_yaml="apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n")
    assert files.read(str(tmp_path)).kustomizations == [f"{tmp_path}/{name}" for name in ("prod", "base", "part")]


def test_a_kustomization_that_only_names_what_was_read_leaves_nothing_open(tmp_path: Path) -> None:
    laid(tmp_path, base__kustomization_yaml="resources: [a.yaml]", base__a_yaml=BASE, prod__kustomization_yaml="resources: [../base]")
    found = files.read(str(tmp_path))
    assert (found.changed, len(found.kustomizations)) == (False, 2)
    scope = ManifestProvider(str(tmp_path), assume_whole=True).target.scope
    assert "notes" not in scope


@pytest.mark.parametrize(
    "said",
    [
        "resources: [a.yaml, b.yaml]",
        "resources: [a.yaml, 'https://example.com/all.yaml']",
        "resources: [a.yaml, ../elsewhere]",
        "resources: a.yaml",
        "resources: [a.yaml, {kind: Thing}]",
        "resources: [a.yaml]\nnamespace: prod",
        "resources: [a.yaml]\nimages: [{name: x, newTag: y}]",
        "resources: [a.yaml]\nhelmCharts: [{name: x}]",
        "resources: [a.yaml]\ncomponents: [../part]",
        "resources: [a.yaml]\ngenerators: []",
    ],
)
def test_one_that_does_more_or_names_what_was_not_read_leaves_open_what_there_is(tmp_path: Path, said: str) -> None:
    laid(tmp_path, a_yaml=BASE, kustomization_yaml=said)
    assert files.read(str(tmp_path)).changed
    assert any("were not rendered" in note for note in ManifestProvider(str(tmp_path), assume_whole=True).target.scope["notes"])


def test_a_resource_is_an_object_whatever_else_it_is(tmp_path: Path) -> None:
    laid(tmp_path, kustomization_yaml="resources: [a.yaml]\npatches: [{path: a.yaml}]\n", a_yaml=BASE)
    assert lines(tmp_path) == {"base": 1}


def test_a_patch_says_so_itself(tmp_path: Path) -> None:
    laid(tmp_path, a_yaml=BASE, b_yaml=PATCH + "$patch: delete\n")
    assert lines(tmp_path) == {"base": 1}


def test_a_kustomization_of_flux_is_an_object(tmp_path: Path) -> None:
    laid(tmp_path, kustomization_yaml="apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\n")
    assert lines(tmp_path) == {"apps": 1}


@pytest.mark.parametrize("named", ["overlay", "overlay/patch.yaml", "overlay/kustomization.yaml"])
def test_parts_alone_are_refused_with_the_way_to_render_them(tmp_path: Path, named: str) -> None:
    laid(tmp_path, overlay__patch_yaml=PATCH, overlay__kustomization_yaml="patches: [{path: patch.yaml}]\n")
    error = refused(tmp_path / named)
    assert error.what == "holds parts of a kustomization, and no Kubernetes object"
    assert error.do == f"render it: kubectl kustomize {tmp_path}/overlay | cnamm-scan scan kubernetes:-"


def test_a_file_is_read_whatever_its_neighbour_is(tmp_path: Path) -> None:
    """Only what was named is read, and only it may be wrong."""
    laid(tmp_path, a_yaml=BASE, kustomization_yaml="resources: [\n")
    assert lines(tmp_path / "a.yaml") == {"base": 1}
    laid(tmp_path, kustomization_yaml=PATCH)
    assert lines(tmp_path / "a.yaml") == {"base": 1}


# ---- what cannot be read -----------------------------------------------------------------------------------------------------


def broken(folder: Path) -> Path:
    laid(folder, chart__Chart_yaml="apiVersion: v2\nname: c\n", chart__values_yaml="a: 1\n", good_yaml=BASE)
    laid(folder, chart__templates__one_yaml="{{- if .Values.on }}\nkind: Thing\n{{- end }}\n", odd_yaml="a: [1\n", chart__crds__a_yaml=BASE)
    laid(folder, chart__templates__two_yaml=PATCH.replace("patch", '"{{ .Release.Name }}"'), chart__templates__plain_yaml=BASE)
    laid(folder, loose_yaml=PATCH.replace("patch", '"{{ name }}"'))
    (folder / "latin.yaml").write_bytes(b"# \xff\n")
    return folder


def test_all_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    error = refused(broken(tmp_path))
    assert error.what.splitlines() == [
        "5 files cannot be read as manifests:",
        f"  {tmp_path}/latin.yaml: not UTF-8 text",
        f"  {tmp_path}/chart/templates/one.yaml: a chart's template, not yet a manifest",
        f"  {tmp_path}/chart/templates/two.yaml: a chart's template, not yet a manifest",
        f"  {tmp_path}/odd.yaml:2: not well-formed YAML: did not find expected ',' or ']'",
        f"  {tmp_path}/loose.yaml:1: a template, not yet a manifest",
    ]
    assert error.where == f"kubernetes:{tmp_path}"
    assert f"helm template {tmp_path}/chart | cnamm-scan scan kubernetes:-" in error.do
    assert error.do.endswith("or go on without them: --skip-unreadable")


def test_a_scan_may_go_on_without_them(tmp_path: Path) -> None:
    scope = ManifestProvider(str(broken(tmp_path)), skip_unreadable=True).target.scope
    assert scope["objects"] == 3
    assert [each["file"].removeprefix(f"{tmp_path}/") for each in scope["unreadable"]] == [
        "latin.yaml",
        "chart/templates/one.yaml",
        "chart/templates/two.yaml",
        "odd.yaml:2",
        "loose.yaml:1",
    ]
    assert scope["notes"][0].startswith("5 file(s) were passed over")


def test_nothing_that_can_be_read_is_an_error_all_the_same(tmp_path: Path) -> None:
    laid(tmp_path, odd_yaml="a: [1\n")
    with pytest.raises(UsageError, match="holds no Kubernetes object that could be read"):
        ManifestProvider(str(tmp_path), skip_unreadable=True)


def test_braces_in_values_are_no_templates(tmp_path: Path) -> None:
    laid(tmp_path, a_yaml=BASE + 'data: {alert: "{{ $labels.pod }} is down"}\n')
    assert lines(tmp_path) == {"base": 1}
