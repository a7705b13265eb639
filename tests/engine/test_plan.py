from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.engine.evaluate import compile_rule
from cnamm_scan.engine.plan import Plan, Selection, make_plan, select, tables_of
from cnamm_scan.errors import UsageError
from cnamm_scan.model import Call, Content
from tests.packs import ACCOUNT, BOX, LOCK, asked, collector, content, lab, part, rule, table

ANY = f"true = ANY (SELECT t.strong FROM {LOCK} t WHERE t.target = this.target)"


def _plan(*rules: dict[str, Any], collector: dict[str, Any] | None = None, providers: tuple[str, ...] = ("aws",)) -> Plan:
    return make_plan(content(*rules, collector=collector), Selection(), providers)


def _parts(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {name: each.parts for name, each in plan.tables.items()}


# ---- what is asked -----------------------------------------------------------------------------------------------------------------


def test_only_the_parts_that_a_rule_reads_are_asked() -> None:
    assert _parts(_plan(asked("name = 'x'"))) == {BOX: ()}
    assert _parts(_plan(asked("state = 'x'"))) == {BOX: ("detail",)}
    assert _parts(_plan(asked("is_on"))) == {BOX: ("detail",)}
    assert _parts(_plan(asked("sealed AND lock_id = 'x'"))) == {BOX: ("detail", "seal")}
    assert _parts(_plan(asked("name = 'x'", message="{key}: {sealed}"))) == {BOX: ("seal",)}
    assert _parts(_plan(asked("name = 'x'", fix="mend {state}"))) == {BOX: ("detail",)}
    assert _parts(_plan(asked(ANY))) == {BOX: (), LOCK: ("info",)}


def test_columns_read_in_other_ways_are_asked_too() -> None:
    assert _parts(_plan(asked("sealed = (state = 'On')"))) == {BOX: ("detail", "seal")}
    own = lab()
    own["facts"][BOX]["columns"]["raw"] = {"type": "json", "from": "seal.Raw"}
    assert _parts(_plan(asked("raw -> 'a' = '1'"), collector=own)) == {BOX: ("seal",)}


def test_several_rules_ask_together() -> None:
    assert _parts(_plan(asked("sealed"), asked("state = 'x'", id="aws.lab.s"))) == {BOX: ("detail", "seal")}


def test_a_part_brings_those_that_it_uses() -> None:
    own = {"x": {"type": "text", "from": "third.x"}, "y": {"type": "text", "from": "other.y"}, "z": {"type": "text", "from": "first.z"}}
    then = {
        "first": part("GetFirst"),
        "second": {"call": "GetSecond", "with": {"Id": "first.Id"}, "needs": "lab:GetSecond"},
        "third": {"call": "GetThird", "with": {"Id": "second.Ids[0]"}, "needs": "lab:GetThird"},
        "other": part("GetOther"),
    }
    plan = _plan(asked("x = 'x'"), collector=collector({BOX: table(own, then=then)}))
    assert _parts(plan) == {BOX: ("first", "second", "third")}
    assert plan.needs("aws") == ["lab:GetFirst", "lab:GetSecond", "lab:GetThird", "lab:ListThings"]


def test_facts_keep_every_path_of_the_parts_asked() -> None:
    plan = _plan(asked("state = 'x'"))
    assert plan.tables[BOX].kept == ("Doc", "Made", "Name", "Size", "Tags[].Key", "detail.LockId", "detail.State")
    assert plan.describe() == {BOX: {"parts": ["detail"], "paths": list(plan.tables[BOX].kept)}}


def test_a_view_asks_for_what_it_reads() -> None:
    view = {
        "about": "x.",
        "columns": {"n": {"type": "integer"}},
        "select": f"SELECT b.target, b.region, b.key, count(l.strong) AS n FROM {BOX} b LEFT JOIN {LOCK} l USING (target) GROUP BY ALL",
    }
    over = {"about": "x.", "columns": {"m": {"type": "integer"}}, "select": "SELECT target, region, key, n AS m FROM aws.lab.pile"}
    document = asked("m > 1", for_each="aws.lab.heap")
    made = collector(lab()["facts"], {"aws.lab.pile": view, "aws.lab.heap": over})
    assert _parts(_plan(document, collector=made)) == {BOX: (), LOCK: ("info",)}
    whole = content(document, collector=made)
    assert tables_of(whole, compile_rule(whole, whole.rules["aws.lab.r"])) == {BOX, LOCK}


def test_tables_of_the_engine_ask_nothing() -> None:
    assert _parts(_plan(asked("state = 'enabled'", for_each="aws.account.region"))) == {}


def _family() -> dict[str, Any]:
    """Rooms of a house, and things in a room: each listed for its parent, with a part of it."""
    rooms = {"for": BOX, "call": "ListRooms", "with": {"House": "parent.detail.Id"}, "items": "Rooms", "needs": "lab:ListRooms"}
    things = {"for": "aws.lab.room", "call": "ListItems", "with": {"Room": "parent.Id"}, "items": "Items", "needs": "lab:ListItems"}
    return collector(
        {
            BOX: table(
                {
                    "name": {"type": "text", "from": "Name"},
                    "a": {"type": "text", "from": "detail.a"},
                    "b": {"type": "text", "from": "seal.b"},
                },
                then={"detail": part("GetDetail"), "seal": part("GetSeal")},
            ),
            "aws.lab.room": table(
                {
                    "id": {"type": "text", "from": "Id"},
                    "size": {"type": "integer", "from": "plan.size"},
                    "up": {"type": "text", "from": "parent.Name"},
                },
                key="{Id}",
                list=rooms,
                then={"plan": {"call": "GetPlan", "with": {"Id": "Id"}, "needs": "lab:GetPlan"}},
            ),
            "aws.lab.thing": table(
                {"id": {"type": "text", "from": "Id"}, "room": {"type": "integer", "from": "parent.plan.size"}}, key="{Id}", list=things
            ),
        }
    )


def test_a_listing_for_each_parent_needs_the_parents() -> None:
    plan = _plan(asked("id = 'x'", for_each="aws.lab.room"), collector=_family())
    assert _parts(plan) == {"aws.lab.room": (), BOX: ("detail",)}
    [root] = plan.sources["aws"]
    assert [each.call.call for each in root.walk()] == ["ListThings", "ListRooms"]
    assert plan.needs("aws") == ["lab:GetDetail", "lab:ListRooms", "lab:ListThings"]


def test_parents_of_parents() -> None:
    plan = _plan(asked("id = 'x'", for_each="aws.lab.thing"), collector=_family())
    assert _parts(plan) == {"aws.lab.thing": (), "aws.lab.room": ("plan",), BOX: ("detail",)}
    [root] = plan.sources["aws"]
    assert [each.call.call for each in root.walk()] == ["ListThings", "ListRooms", "ListItems"]


def test_each_reaches_the_part_that_it_goes_through() -> None:
    own = table(
        {
            "x": {"type": "text", "from": "x"},
            "up": {"type": "text", "from": "parent.other.y"},
            "self": {"type": "text", "from": "parent.Name"},
        },
        then={"rows": part("GetRows"), "other": part("GetOther"), "more": part("GetMore")},
        each="rows.Items[]",
    )
    own["columns"]["z"] = {"type": "text", "from": "parent.more.z"}
    assert _parts(_plan(asked("x = 'a'"), collector=collector({BOX: own}))) == {BOX: ("rows",)}
    assert _parts(_plan(asked("up = 'a'"), collector=collector({BOX: own}))) == {BOX: ("other", "rows")}


# ---- nothing is asked twice --------------------------------------------------------------------------------------------------------


def test_tables_with_the_same_listing_share_it() -> None:
    one = table({"a": {"type": "text", "from": "a"}})
    made = collector({BOX: one, LOCK: table({"b": {"type": "text", "from": "b"}}, each="Rows[]")})
    plan = _plan(asked("a = 'x'"), asked("b = 'x'", id="aws.lab.s", for_each=LOCK), collector=made)
    [source] = plan.sources["aws"]
    assert {each.table.id for each in source.tables} == {BOX, LOCK}
    assert plan.shared == frozenset()


@pytest.mark.parametrize("more", [{"fixed": {"Owner": "self"}}, {"with": {"A": "$account"}}, {"items": "Others"}, {"at_most": 3}])
def test_a_listing_that_differs_is_another(more: dict[str, Any]) -> None:
    listing = {"call": "ListThings", "items": "Things", "needs": "lab:ListThings"}
    made = collector(
        {BOX: table({"a": {"type": "text", "from": "a"}}), LOCK: table({"b": {"type": "text", "from": "b"}}, list={**listing, **more})}
    )
    plan = _plan(asked("a = 'x'"), asked("b = 'x'", id="aws.lab.s", for_each=LOCK), collector=made)
    assert len(plan.sources["aws"]) == 2
    # what differs in its own parameters can never be the same call
    assert plan.shared == (frozenset() if "fixed" in more else {("lab", "ListThings")})


def test_needs_are_sorted_and_unique() -> None:
    plan = _plan(
        rule(), asked(ANY, id="aws.lab.a"), asked("sealed", id="aws.lab.b"), asked("alias = 'x'", id="aws.lab.c", for_each=ACCOUNT)
    )
    needs = plan.needs("aws")
    assert needs == ["lab:GetAccount", "lab:GetDetail", "lab:GetInfo", "lab:GetSeal", "lab:ListLocks", "lab:ListThings"]
    assert needs == sorted(set(needs))
    assert plan.needs("gcp") == []


def test_the_order_of_rules_does_not_matter() -> None:
    rules = [rule(), asked(ANY, id="aws.lab.a"), asked("sealed", id="aws.lab.b")]
    one, two = _plan(*rules), _plan(*reversed(rules))
    assert one.describe() == two.describe()
    assert one.needs("aws") == two.needs("aws")
    assert one.operations("aws") == two.operations("aws") == {"lab": {"ListThings", "ListLocks", "GetDetail", "GetInfo", "GetSeal"}}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call(call="ListKeys"), ("lab", "ListKeys")),
        (Call(call="kms:ListKeys"), ("kms", "ListKeys")),
        (Call(read="report"), ("lab", "<report>")),
    ],
)
def test_the_client_of_a_call(call: Call, expected: tuple[str, str]) -> None:
    assert call.of("lab") == expected


def test_rules_of_other_providers_are_left_out() -> None:
    assert _plan(rule(), providers=("gcp",)).rules == ()
    estate = asked("name = 'x'", id="aws.lab.e", for_each="estate.target", scope="estate")
    assert [each.rule.id for each in _plan(rule(), estate, providers=("gcp",)).rules] == ["aws.lab.e"]


# ---- selection ---------------------------------------------------------------------------------------------------------------------


def _content() -> Content:
    return content(
        asked("sealed", id="aws.lab.box_one"),
        asked("sealed", id="aws.lab.box_two", objective="safety.locks-are-strong"),
        asked("sealed", id="aws.lab.old", status="deprecated"),
        asked("size > $least", id="aws.lab.sized", parameters={"least": {"default": 1, "source": "x"}}),
    )


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), ["box_one", "box_two", "sized"]),
        (("aws.lab.box_one",), ["box_one"]),
        (("aws.lab",), ["box_one", "box_two", "old", "sized"]),
        (("aws.lab.*",), ["box_one", "box_two", "old", "sized"]),
        (("aws",), ["box_one", "box_two", "old", "sized"]),
        (("aws.lab.old", "aws.lab.old"), ["old"]),
    ],
)
def test_select_by_rule(rules: tuple[str, ...], expected: list[str]) -> None:
    assert sorted(each.id for each in select(_content(), Selection(rules))) == [f"aws.lab.{name}" for name in expected]


def test_select_by_function() -> None:
    assert len(select(_content(), Selection((), ("safety",)))) == 3
    assert [each.id for each in select(_content(), Selection(("aws.lab.box_two",), ("safety",)))] == ["aws.lab.box_two"]


@pytest.mark.parametrize(
    ("selection", "what", "where", "do"),
    [
        (Selection(("aws.lab.box_tow",)), "no rule 'aws.lab.box_tow'", "--rule", "did you mean 'aws.lab.box_two'"),
        (Selection(("aws.lab.box",)), "no rule 'aws.lab.box'", "--rule", "did you mean 'aws.lab.box_"),
        (Selection(("zzz",)), "no rule 'zzz'", "--rule", "known: aws.lab.box_one"),
        (Selection(("",)), "no rule ''", "--rule", "known: aws.lab.box_one"),
        (Selection((), ("safty",)), "no function 'safty'", "--function", "did you mean 'safety'?"),
        (Selection(parameters={"leest": 3}), "no parameter 'leest'", "--parameter", "did you mean 'least'?"),
    ],
)
def test_a_typo_selects_nothing_in_silence(selection: Selection, what: str, where: str, do: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(_content(), selection, ["aws"])
    assert (caught.value.what, caught.value.where, caught.value.exit_code) == (what, where, 2)
    assert caught.value.do.startswith(do)


def test_a_function_without_objectives_selects_no_rule() -> None:
    import yaml

    from cnamm_scan import content as reader
    from tests.packs import files

    pack = files(rule())
    pack["mappings/m.yaml"]["functions"].append("empty")
    pack["mappings/m/empty.yaml"] = {"function": "empty", "title": "Empty", "practices": []}
    made = reader.load_files({name: yaml.safe_dump(document).encode() for name, document in pack.items()})
    assert select(made, Selection((), ("empty",))) == []


def test_parameters_reach_the_rules_that_have_them() -> None:
    plan = make_plan(_content(), Selection(parameters={"least": 9}), ["aws"])
    assert {each.rule.id: dict(each.parameters) for each in plan.rules}["aws.lab.sized"] == {"least": 9}
    assert {each.rule.id: dict(each.parameters) for each in plan.rules}["aws.lab.box_one"] == {}
