"""Content that somebody damaged, by a seed: it loads or is refused with a file and what to do, and never ends in anything else."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import cache

import pytest

from cnamm_scan import content as reader
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content

SEED = int(os.environ.get("CNAMM_FUZZ_SEED", "7"))
VALUES = [
    *("", "~", "true", "[]", "{}", "0", "-1", "9" * 30, "9" * 5000, ".inf", ".nan", "2026-01-01", "12:30", "0x_", "a: b: c"),
    *("!!int abc", "!!float x", "!!bool x", "!!timestamp x", "!!binary x", "!!set {a}", "!!python/name:os.system"),
    *("*x", "&x [*x]", "&a {b: *a}", "<<: 1", "? x", "| x", ">-", "%YAML 9", "---", "...", "- - - - x", "[" * 300, "{a: " * 300),
    *("'\\u2028'", '"\\0"', '"\\ud83d"', '"\\x1b[2J"', "\x07", "\ufeff", "{{ x }}", "'" + "x" * 5000 + "'"),
    *("a.b.c", "../../x", "{a..b}", "$now-" + "9" * 40 + "d", "a[b]", "SELECT 1", "aws.s3.bucket", "estate.target"),
]
Change = Callable[[random.Random, str], str]


def _cut(chance: random.Random, text: str) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _drop(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at + chance.randint(1, 20) :]


def _insert(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(VALUES) + text[at:]


def _value(chance: random.Random, text: str) -> str:
    """Another value after a colon: what most mistakes are."""
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    key, colon, _ = lines[at].partition(": ")
    lines[at] = f"{key}: {chance.choice(VALUES)}" if colon else lines[at] + chance.choice(VALUES)
    return "\n".join(lines)


def _move(chance: random.Random, text: str) -> str:
    lines = text.split("\n")
    chance.shuffle(lines)
    return "\n".join(lines)


def _indent(chance: random.Random, text: str) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    lines[at] = chance.choice([" ", "  ", "\t", "- "]) + lines[at]
    return "\n".join(lines)


def _twice(chance: random.Random, text: str) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    return "\n".join([*lines[: at + 1], *lines[at:]])


def _byte(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chr(chance.choice([0, 7, 9, 10, 13, 27, 0x80, 0x85, 0xFF, 0x2028, 0xFEFF, 0xFFFE, 0x1F600])) + text[at + 1 :]


def _bomb(chance: random.Random, text: str) -> str:
    levels = chance.randint(2, 12)
    made = "bomb0: &b0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"bomb{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]\n" for n in range(1, levels)
    )
    return made + text if chance.random() < 0.5 else f"{text}\n{made}"


CHANGES: list[Change] = [_cut, _drop, _insert, _value, _value, _value, _move, _indent, _twice, _byte, _bomb]


@cache
def _shipped() -> Content:
    return reader.load()


def _sound(name: str) -> dict[str, bytes]:
    """A file that ships, with what it stands on: the model, and for a rule the tables that it judges."""
    files = _shipped().files
    made = {each: raw for each, raw in files.items() if each.startswith("mappings/")}
    rule = _shipped().rules.get(name.removeprefix("rules/").removesuffix(".yaml").replace("/", "."))
    if rule is not None and rule.for_each not in reader.ENGINE_TABLES:
        table = _shipped().tables.get(rule.for_each) or _shipped().views[rule.for_each]
        stands = next(each for each in files if table.source.endswith(each))
        made[stands] = files[stands]
    return {**made, name: files[name]}


def _damaged(chance: random.Random) -> dict[str, bytes]:
    """One file that ships, damaged."""
    name = chance.choice(sorted(_shipped().files))
    made = _sound(name)
    text = made[name].decode()
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(CHANGES)(chance, text)
    raw = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.05:
        at = chance.randrange(len(raw) + 1)
        raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at:]
    return {**made, name: raw}


def test_what_is_damaged_was_sound() -> None:
    for name in sorted(_shipped().files)[::40]:
        reader.load_files(_sound(name))


def _tried(seed: int) -> bool:
    """Whether damaged content loads; what is refused names a file and what to do."""
    made = _damaged(random.Random(seed))
    try:
        reader.load_files(made)
    except ContentError as error:
        assert error.problems, f"seed {seed}"
        for problem in error.problems:
            assert problem.do, f"seed {seed}: {problem}"
            assert problem.where, f"seed {seed}: {problem}"
            assert len(str(problem)) < 2000, f"seed {seed}"
        return False
    except Exception as error:
        raise AssertionError(f"seed {seed} ends in {error!r}") from error
    return True


def test_damaged_content_is_refused_or_read() -> None:
    outcomes = [_tried(SEED * 1_000_000 + number) for number in range(200)]
    assert 5 < sum(outcomes) < 195  # both happen, or the damage is none


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_much_damaged_content_is_refused_or_read(part: int) -> None:
    """Twenty-five times the quick run, a hundredth of a second each: `CNAMM_FUZZ_SEED` gives others."""
    for number in range(500):
        _tried(SEED * 1_000_000 + 100_000 + part * 500 + number)
