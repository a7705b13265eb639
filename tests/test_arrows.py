"""The arrows of the house, one way: read from the imports themselves, never from what happens to be loaded."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import cnamm_scan
from cnamm_scan.providers.catalog import KINDS

PACKAGE = Path(cnamm_scan.__file__).parent
ROOT = "cnamm_scan"
LAYERS = ("aggregator", "cli", "content", "demo", "engine", "evidence", "judged", "model", "providers", "report")
COMMON = frozenset({"", "model", "errors", "text", "tokens", "paths", "stopping", "yamls", "cache", "doing", "writing"})
"""What anyone may import: the package's own name and version, and the modules that belong to no layer."""
ALLOWED: Mapping[str, frozenset[str]] = {
    "model": frozenset(),
    "errors": frozenset(),
    "text": frozenset(),
    "tokens": frozenset(),
    "stopping": frozenset(),
    "doing": frozenset(),
    "writing": frozenset(),
    "paths": frozenset({"errors"}),
    "yamls": frozenset(),
    "cache": frozenset({"", "model"}),
    "content": frozenset({*COMMON, "providers"}),
    "aggregator": frozenset({"model"}),
    "engine": frozenset({*COMMON, "content"}),
    "evidence": COMMON,
    "providers": COMMON,
    "judged": frozenset({*COMMON, "content", "aggregator", "engine", "evidence", "providers"}),
    "report": frozenset({"model", "text", "judged"}),
    "api": frozenset({*COMMON, "content", "aggregator", "engine", "evidence", "judged", "providers", "report"}),
    "cli": frozenset({*COMMON, "content", "aggregator", "engine", "evidence", "judged", "providers", "report", "demo", "api"}),
    "demo": frozenset({*COMMON, "content", "aggregator", "engine", "evidence", "judged", "providers", "report", "api"}),
    "": frozenset({"api"}),
    "__main__": frozenset({"cli"}),
}
"""Layer or module -> what of ours it may import besides itself."""
SETTLED: Mapping[tuple[str, str], str] = {
    ("engine", f"{ROOT}.providers.interface"): "the engine asks providers through their interface, and sees nothing else of them",
    ("engine", f"{ROOT}.providers.bounds"): "how many pages a listing may have stands with all other bounds on answers",
    ("report/reference.py", f"{ROOT}.content"): "pages about content read the engine-made tables and columns there",
    ("report/pages.py", f"{ROOT}.content"): "and so does the index of them",
}
"""(layer or file, module) -> why it may be imported all the same."""
SDKS = frozenset({"boto3", "botocore", "kubernetes", "azure", "google"})
OWNERS: Mapping[str, frozenset[str]] = {
    "duckdb": frozenset({"engine/database.py", "engine/parser.py"}),
    "yaml": frozenset({"yamls.py", "demo/dated.py"}),
    "pydantic": frozenset({"content/shapes.py", "content/source.py"}),
}
"""Heavy library -> the only files that may import it."""


@dataclass(frozen=True)
class Import:
    """One imported module, as `file` imports it."""

    file: str
    line: int
    module: str
    at_top: bool
    """Whether importing the file imports it."""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"

    @property
    def ours(self) -> bool:
        return self.module.split(".")[0] == ROOT


def _is_type_checking(node: ast.If) -> bool:
    return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _walk(tree: ast.AST, at_top: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every node that runs, and whether it runs on import; what is there for type checkers alone is left out."""
    pending = [(child, at_top) for child in ast.iter_child_nodes(tree)]
    while pending:
        node, at_top = pending.pop()
        yield node, at_top
        inside = at_top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        children = node.orelse if isinstance(node, ast.If) and _is_type_checking(node) else ast.iter_child_nodes(node)
        pending += [(child, inside) for child in children]


def _modules() -> set[str]:
    names = (file.relative_to(PACKAGE.parent).with_suffix("").as_posix().replace("/", ".") for file in PACKAGE.rglob("*.py"))
    return {name.removesuffix(".__init__") for name in names}


MODULES = _modules()


def _imports(file: Path) -> Iterator[Import]:
    name = file.relative_to(PACKAGE).as_posix()
    own = [ROOT, *file.relative_to(PACKAGE).parent.parts]
    for node, at_top in _walk(ast.parse(file.read_bytes()), True):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*own[: len(own) - node.level + 1], *([node.module] if node.module else [])]) if node.level else node.module or ""
            )
            found = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__") and node.args:
            text = node.args[0]
            if isinstance(text, ast.Constant):
                found = [str(text.value)]
            elif isinstance(text, ast.JoinedStr) and isinstance(text.values[0], ast.Constant):
                found = [str(text.values[0].value).rstrip(".")]
            else:
                pytest.fail(f"{name}:{node.lineno} imports a name that no reader can see")
        for module in dict.fromkeys(found):
            yield Import(name, getattr(node, "lineno", 0), module, at_top)


def _layer(file: str) -> str:
    """`engine/sql.py` -> engine, `text.py` -> text, `__init__.py` -> the package itself."""
    first, _, rest = file.partition("/")
    return first if rest else first.removesuffix(".py").replace("__init__", "")


def _layer_of(module: str) -> str:
    return [*module.split("."), ""][1]


FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def _found() -> list[Import]:
    """All imports. Read when a test asks: every worker collects these tests, one of them runs them."""
    return [each for file in FILES if "_content" not in file.parts for each in _imports(file)]


@cache
def _lazy() -> frozenset[str]:
    """Files that import an SDK when they are imported, and that nothing imports before it is needed."""
    at_top = [each for each in _found() if each.at_top]
    needed = {each.module.removeprefix(f"{ROOT}.").replace(".", "/") + ".py" for each in at_top}
    return frozenset(each.file for each in at_top if each.module.split(".")[0] in SDKS) - needed


def test_the_reader_reads() -> None:
    """What follows would hold of nothing too."""
    assert len(_found()) > 300
    seen = {(each.file, each.module, each.at_top) for each in _found()}
    assert ("engine/database.py", "duckdb", True) in seen
    assert ("providers/aws/kind.py", "cnamm_scan.providers.aws.provider", False) in seen
    assert ("api.py", "cnamm_scan.content", True) in seen
    assert ("cli/main.py", "cnamm_scan.cli", False) in seen
    assert not any(
        each.file == "report/data.py" and each.module == "cnamm_scan.judged.scan" for each in _found()
    )  # for type checkers alone


def test_every_file_is_in_a_layer_that_has_a_rule() -> None:
    assert {_layer(file.relative_to(PACKAGE).as_posix()) for file in FILES} <= set(ALLOWED)
    assert {file.parent.name for file in PACKAGE.glob("*/__init__.py")} == set(LAYERS)


def test_arrows_go_one_way() -> None:
    wrong = []
    for each in _found():
        if not each.ours:
            continue
        layer, reached = _layer(each.file), _layer_of(each.module)
        if reached == layer or reached in ALLOWED[layer]:
            continue
        if (layer, each.module) not in SETTLED and (each.file, each.module) not in SETTLED:
            wrong.append(each.where)
    assert wrong == []


def test_every_exception_is_still_needed() -> None:
    used = {(_layer(each.file), each.module) for each in _found()} | {(each.file, each.module) for each in _found()}
    assert set(SETTLED) <= used


def test_nothing_imports_the_command_line() -> None:
    assert [
        each.where for each in _found() if each.ours and _layer_of(each.module) == "cli" and _layer(each.file) not in ("cli", "__main__")
    ] == []


def test_only_those_who_wire_import_several_layers() -> None:
    reached: dict[str, set[str]] = {}
    for each in _found():
        if (
            each.ours and _layer_of(each.module) in LAYERS and _layer_of(each.module) not in ("content", "model")
        ):  # they stand beneath them all
            reached.setdefault(_layer(each.file), set()).add(_layer_of(each.module))
    wires = {layer for layer, others in reached.items() if len(others - {layer}) > 1}
    assert wires <= {"api", "cli", "demo", "judged"}


@pytest.mark.parametrize("library", OWNERS)
def test_heavy_libraries_have_an_owner(library: str) -> None:
    importers = {each.file for each in _found() if each.module.split(".")[0] == library}
    assert importers
    assert importers <= OWNERS[library]


def test_the_beds_of_the_demo_know_no_estate_and_none_of_the_other_bed() -> None:
    """A bed is told by name what stands in it, so the tests of providers can fill one with something else."""
    rooms = {each.file: tuple(each.file.split("/")[1:3]) for each in _found() if each.file.startswith("demo/") and each.file.count("/") > 1}
    assert {*rooms.values()} >= {("aws", "bed"), ("aws", "estate"), ("azure", "bed"), ("gcp", "bed"), ("cluster", "bed")}
    wrong = []
    for each in _found():
        if each.file not in rooms or not each.module.startswith(f"{ROOT}.demo."):
            continue
        side, room = rooms[each.file]
        reached = each.module.split(".")[2:4]
        if reached[0] in ("aws", "azure", "gcp", "cluster") and (reached[0] != side or (room == "bed" and reached[1] != "bed")):
            wrong.append(each.where)
    assert wrong == []


def test_only_providers_import_sdks_and_only_when_they_are_needed() -> None:
    importers = [each for each in _found() if each.module.split(".")[0] in SDKS]
    assert {_layer(each.file) for each in importers} <= {"providers", "demo"}
    assert any(_layer(each.file) == "providers" for each in importers)
    assert [each.where for each in importers if each.at_top and each.file not in _lazy()] == []


def test_the_base_install_can_import_all_but_the_lazy_files() -> None:
    """A file may stand on an SDK (subclass its classes, say) when nothing imports that file before it is needed."""
    assert all(file.startswith("providers/") for file in _lazy())


def test_the_arithmetic_needs_the_standard_library_and_the_model_alone() -> None:
    for each in _found():
        if _layer(each.file) in ("aggregator", "model", "errors"):
            name = each.module.split(".")[0]
            assert name in sys.stdlib_module_names or each.module.startswith((f"{ROOT}.model", f"{ROOT}.aggregator")), each.where


# ---- no provider is named where all are alike ------------------------------------------------------------------------------

NAMED = frozenset({"aws", "azure", "gcp", "kubernetes"})
ALIKE = ("aggregator", "engine", "evidence", "judged", "report")
EXAMPLES: Mapping[str, frozenset[str]] = {
    # the tools that a fix may call
    "report/reference.py": frozenset({"aws", "kubernetes"}),
    # a way to mend something, by where it is done
    "report/data.py": frozenset({"kubernetes"}),
}
"""File -> the words in which it may name one all the same."""
_PROVIDER = re.compile(rf"[^\s`'\"]*(?<![a-z])(?:{'|'.join(sorted(NAMED))})(?![a-z])[^\s`'\"]*", re.IGNORECASE)


def _providers_named(file: Path) -> Iterator[tuple[int, str]]:
    """(line, word) of each word in a text, and each identifier, that names a provider: `aws.s3.bucket`, `is_aws`, `AwsProvider`."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        said: list[str] = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            said = [node.value if isinstance(node.value, str) else node.value.decode("latin-1")]
        elif isinstance(node, ast.ImportFrom):
            said = [node.module or ""]
        names = (getattr(node, part, None) for part in ("id", "attr", "name", "arg", "asname", "rest"))
        said += [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name) for name in names if isinstance(name, str)]
        for text in said:
            for match in _PROVIDER.finditer(text):
                yield getattr(node, "lineno", 0), match.group()


def test_the_reader_of_names_reads(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    for text in (
        "is_aws = 1",
        "import kubernetes",
        "from x.aws import y",
        "class AwsProvider: ...",
        "x.azure",
        "f(gcp=1)",
        "'an AWS thing'",
        "b'aws'",
    ):
        file.write_text(text)
        assert list(_providers_named(file)), text
    for text in ("laws = 'saws'", "x = 'draws'", "rest = 'amazonaws'"):
        file.write_text(text)
        assert not list(_providers_named(file)), text
    assert any(_providers_named(PACKAGE / "providers/catalog.py"))
    assert set(KINDS) <= NAMED


def test_the_core_names_no_provider() -> None:
    """What differs between providers is in `providers/`, and what all of them have in common knows none of them."""
    wrong = []
    for layer in ALIKE:
        for file in sorted((PACKAGE / layer).rglob("*.py")):
            name = file.relative_to(PACKAGE).as_posix()
            wrong += [f"{name}:{line} says {word}" for line, word in _providers_named(file) if word not in EXAMPLES.get(name, ())]
    assert wrong == []


def test_every_example_is_still_there() -> None:
    for name, words in EXAMPLES.items():
        assert words == {word for _, word in _providers_named(PACKAGE / name)}


_ROT = frozenset({"open", "print", "input", "exec", "eval"})
_WORK = frozenset({"socket", "subprocess", "requests", "urllib.request", "http.client"})


def test_no_module_works_when_it_is_imported() -> None:
    """No call at the top of a module opens, prints, connects or starts anything."""
    wrong = []
    for file in FILES:
        known = {
            alias.asname or alias.name
            for node, _ in _walk(ast.parse(file.read_bytes()), True)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        for node, at_top in _walk(ast.parse(file.read_bytes()), True):
            if at_top and isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                works = name in _ROT or (name.rpartition(".")[0] in _WORK & known)
                reads = name.endswith(
                    (".read_text", ".read_bytes", ".write_text", ".mkdir", ".connect", ".client", ".Session", ".run", ".start")
                )
                if works or reads:
                    wrong.append(f"{file.relative_to(PACKAGE)}:{node.lineno} calls {name}")
    allowed = ["__main__.py"]
    assert [each for each in wrong if each.split(":")[0] not in allowed] == []


def test_importing_everything_starts_opens_and_connects_nothing() -> None:
    """The same, seen from outside: an audit hook hears every file that is written, every socket and every process."""
    script = (
        "import json, sys, importlib\n"
        "heard = []\n"
        "def hook(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.bind', 'subprocess.Popen', 'os.system', 'os.mkdir', 'os.remove', 'os.rename'):\n"
        "        heard.append([event, str(arguments)])\n"
        "    if event == 'open' and isinstance(arguments[1], str) and set(arguments[1]) & set('wax+'):\n"
        "        heard.append([event, str(arguments)])\n"
        "sys.dont_write_bytecode = True\n"
        "sys.addaudithook(hook)\n"
        "import threading\n"
        "for name in json.loads(sys.argv[1]): importlib.import_module(name)\n"
        "print(json.dumps([heard, threading.active_count()]))\n"
    )
    left_out = {"__main__.py", *_lazy()}  # an SDK of others may try whether the machine has IPv6, for one
    names = json.dumps(sorted(MODULES - {f"{ROOT}.{file.removesuffix('.py').replace('/', '.')}" for file in left_out}))
    done = subprocess.run([sys.executable, "-c", script, names], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout) == [[], 1]
    assert done.stderr == ""
