"""How much stays unknown though it need not: values that a view or a look-up leaves out though every completion that was tried agrees.

The laws forbid only the reverse, a value that some completion denies. This counts the rest, for the note; nothing here passes or fails.
Completions are tried and not enumerated, so that what it calls avoidable is a little too much, and never too little.
Run by `python -m tests.benchmarks.unknown [VIEW …]`.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from cnamm_scan.engine.bounds import StoreError
from cnamm_scan.engine.evaluate import compile_rule, results
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.store import Store
from cnamm_scan.model import Target, Verdict
from tests.engine.test_views_law import CONTENT, NOW, REGIONS, TARGETS, VIEWS, _asked, _place, _places, _rows
from tests.packs import BOX, LOCK, A, asked, content

CASES, COMPLETIONS = 2, 4
"""Cases of each view or look-up, and completions of each case: all views take some five minutes of a quiet machine."""


def of_view(view: str, cases: int = CASES, completions: int = COMPLETIONS) -> Counter[str]:
    """Of one view: cases, values of rows that were found, those that are known, and those that are not though all completions agree."""
    random, counts = Random(view), Counter[str]()
    bases = sorted(read_view(CONTENT, view).tables)
    own = sorted({"a", "b", *(word for word in re.findall(r"'([^'%]{1,40})'", CONTENT.views[view].select) if not word.startswith("$"))})[
        :12
    ]
    with Store(CONTENT, {view}, scan_time=NOW) as store:
        store.places = dict.fromkeys(TARGETS, ("global", *REGIONS))
        for number in range(4 * cases):
            if counts["cases"] == cases:
                break
            words = [own, own, [NOW, "2025-06-01T00:00:00"]][number % 3]
            whole = {table: _rows(random, table, words, 0.0) for table in bases}
            dark = random.choice(bases)
            places = dict.fromkeys(random.sample(_places(dark), 1), False)
            seen = {**whole, dark: [row for row in whole[dark] if (row["target"], row["region"]) not in places or random.random() < 0.6]}
            hidden = [row for row in whole[dark] if row not in seen[dark]]
            try:
                found = _asked(store, view, seen, {dark: places})
                fillings = [hidden, []]
                for _ in range(completions - 2):
                    more = _rows(random, dark, words, 0.0)
                    fillings.append(
                        [{**row, "target": t, "region": r, "key": f"new{at}"} for at, row in enumerate(more) for t, r in places]
                    )
                full = [_asked(store, view, {**seen, dark: [*seen[dark], *each]}, {}) for each in fillings]
            except StoreError:  # what no source says: a cast of random text
                continue
            counts["cases"] += 1
            for row in found:
                if row["key"] is None:
                    continue
                others = [[each for each in rows if each["key"] is not None and _place(each) == _place(row)] for rows in full]
                if row["_ghost"] is not None:
                    counts["rows named unknown"] += 1
                    counts["of them there in every completion"] += all(others)
                    continue
                for name in CONTENT.views[view].columns:
                    said = {repr(each[name]) for rows in others for each in rows}
                    if said == {"None"}:
                        continue  # it is nothing whatever was seen
                    counts["values"] += 1
                    counts["known"] += row[name] is not None
                    counts["avoidable"] += row[name] is None and len(said) == 1 and all(others)
    return counts


SHAPES = [
    f"{how} (SELECT t.strong{more} FROM {LOCK} t WHERE t.target = this.target{join})"
    for how in ("true = ANY", "false = ANY", "NOT true = ANY", "true = ALL", "state = 'On' OR true = ANY", "state = 'On' AND true = ANY")
    for more in ("", " AND t.lock_id = 'x'", " OR t.lock_id = 'x'")
    for join in (" AND t.region = this.region", " AND t.region = this.region AND t.lock_id = this.lock_id", " AND t.lock_id = this.lock_id")
]
"""Look-ups of the forms that rules have."""
LOCKS = [{"lock_id": name, "strong": strong} for name in ("x", "y") for strong in (True, False)]


def _completions(place: Sequence[dict[str, Any]], many: int = 2) -> Iterator[list[dict[str, Any]]]:
    yield []
    for one in LOCKS:
        yield [one]
        if many > 1:
            for other in LOCKS:
                if other["lock_id"] != one["lock_id"] and other["lock_id"] not in {row["lock_id"] for row in place}:
                    yield [one, other]


def of_look_up(shape: str, cases: int = CASES) -> Counter[str]:
    """Of one look-up: verdicts, those that are known, and those that are not though all completions agree; these are enumerated."""
    random, counts = Random(shape), Counter[str]()
    made = content(asked(shape))
    rule = compile_rule(made, made.rules["aws.lab.r"])
    target = Target(A, "aws", A.split(":")[1])
    with Store(made, {BOX, LOCK}, scan_time=NOW) as store:
        store.places = {A: ("r1", "r2")}

        def verdict(box: dict[str, Any], locks: Sequence[tuple[str, dict[str, Any]]], dark: str | None) -> Verdict:
            for table in (BOX, LOCK):
                store.clear(table)
            here = {"target": A, "scan_time": NOW}
            store.add_rows(BOX, [{**here, "region": "r1", "key": "box", **box}])
            rows = [{**here, "region": region, "key": f"{region}/{lock['lock_id']}", **lock} for region, lock in locks]
            if rows:
                store.add_rows(LOCK, rows)
            if dark:
                store.run(
                    f"INSERT INTO {LOCK} BY NAME SELECT '{A}' AS target, '{dark}' AS region, '' AS _fact, 'denied' AS _ghost,"
                    " MAP(['list'], ['denied']) AS _gaps, false AS _shadow"
                )
            return next(iter(results(store, rule, [target]))).verdict

        for _ in range(cases):
            box = {"lock_id": random.choice(["x", "y"]), "state": random.choice(["On", "Off"])}
            seen = [(region, lock) for region in ("r1", "r2") for lock in random.sample(LOCKS, random.choice([0, 1]))]
            dark = random.choice(["r1", "r2"])
            said = verdict(box, seen, dark)
            there = [lock for region, lock in seen if region == dark]
            ids = {lock["lock_id"] for lock in there}
            fillings = [each for each in _completions(there) if not ids & {lock["lock_id"] for lock in each}]
            whole = {verdict(box, [*seen, *((dark, lock) for lock in each)], None) for each in fillings}
            counts["verdicts"] += 1
            counts["known"] += said is not Verdict.UNKNOWN
            counts["avoidable"] += said is Verdict.UNKNOWN and len(whole) == 1
            counts["wrong"] += said is not Verdict.UNKNOWN and whole != {said}
    return counts


def main(views: Sequence[str]) -> None:
    """Print the figures."""
    total: Counter[str] = Counter()
    for view in views or VIEWS:
        own = of_view(view)
        total += own
        if own["avoidable"]:
            print(f"{view}: {own['avoidable']} of {own['values']} values")
    print("views:", dict(total))
    ups: Counter[str] = Counter()
    for shape in SHAPES:
        ups += of_look_up(shape)
    print("look-ups:", dict(ups))


if __name__ == "__main__":
    main(sys.argv[1:])
