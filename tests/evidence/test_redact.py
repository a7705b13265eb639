"""No planted secret survives, whatever surrounds it; what is no secret stays as it was."""

from __future__ import annotations

import base64
import json
import string
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cnamm_scan import paths
from cnamm_scan.evidence import redact
from cnamm_scan.evidence.canonical import BIGGEST, canonical
from cnamm_scan.evidence.redact import TOKEN_PREFIX, Redactor
from cnamm_scan.model import Verdict

KEY = b"a tenant's key"
HERE = "arn:aws:s3:::here"

names = st.sampled_from(["a", "b", "c", "Config", "odd key"])
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.text(string.ascii_lowercase, max_size=5)
documents = st.dictionaries(
    names,
    st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12),
    min_size=1,
    max_size=4,
)


def walk(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(keys on the way, leaf) of every leaf in order; lists add no key."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from walk(part, (*keys, name))
    elif isinstance(value, list):
        for part in value:
            yield from walk(part, keys)
    else:
        yield keys, value


def shape(value: Any) -> Any:
    """A document without its leaves: keys, counts and order."""
    if isinstance(value, dict):
        return [(name, shape(part)) for name, part in value.items()]
    return [shape(part) for part in value] if isinstance(value, list) else None


def planted(value: Any, count: Iterator[int]) -> Any:
    """The document with a secret of its own in place of every leaf but null."""
    if isinstance(value, dict):
        return {name: planted(part, count) for name, part in value.items()}
    if isinstance(value, list):
        return [planted(part, count) for part in value]
    return None if value is None else f"canary-{next(count)}-canary"


def as_path(keys: tuple[str, ...], way: Any) -> str:
    """A path of the collectors' language along these keys, with [] where the document has lists."""
    text = ""
    for key in keys:
        while isinstance(way, list):
            text, way = text + "[]", way[0] if way else None
        text += ("." if text else "") + (f'"{key}"' if " " in key else key)
        way = way.get(key) if isinstance(way, dict) else None
    return text


@given(documents, st.data())
def test_no_secret_survives_by_path_and_nothing_else_is_touched(document: dict[str, Any], data: st.DataObject) -> None:
    document = planted(document, iter(range(10_000)))
    ways = sorted({keys[: n + 1] for keys, _ in walk(document) for n in range(len(keys))})
    chosen = data.draw(st.lists(st.sampled_from(ways), max_size=3)) if ways else []
    cleaned = Redactor(KEY).clean(document, [as_path(keys, document) for keys in chosen], HERE)
    assert shape(cleaned) == shape(document)
    for (keys, before), (_, after) in zip(walk(document), walk(cleaned), strict=True):
        if before is not None and any(keys[: len(way)] == way for way in chosen):
            assert after.startswith(TOKEN_PREFIX)
            assert before not in json.dumps(cleaned)
        else:
            assert after == before


@given(documents)
def test_without_paths_a_document_stays_as_it_was(document: dict[str, Any]) -> None:
    assert Redactor(KEY).clean(document, [], HERE) == document


@pytest.mark.parametrize("value", [4711, 0, True, 1.5, b"bytes", datetime(2026, 1, 2), Decimal("1.5"), [[7]], {"k": {"k": False}}])
def test_a_secret_need_not_be_text(value: Any) -> None:
    cleaned = Redactor(KEY).clean({"pin": value}, ["pin"], HERE)
    assert [str(leaf)[: len(TOKEN_PREFIX)] for _, leaf in walk(cleaned)] == [TOKEN_PREFIX]


# ---- tags ----------------------------------------------------------------------------------------------------------------

tag_names = st.sampled_from(["Tags", "tags", "TagSet", "TagList", "Taglist", "ResourceTags", "tag"])
tag_pairs = st.dictionaries(
    st.text(string.ascii_letters + ":-", min_size=1), st.text(string.ascii_letters, min_size=1), min_size=1, max_size=4
)


@given(tag_names, tag_pairs, st.sampled_from([("Key", "Value"), ("key", "value"), ("TagKey", "TagValue")]))
def test_values_of_a_list_of_tags_go_and_their_keys_stay(name: str, pairs: dict[str, str], form: tuple[str, str]) -> None:
    secrets = {tag: f"canary-{value}-canary" for tag, value in pairs.items()}
    listed = [{form[0]: tag, form[1]: secret, "PropagateAtLaunch": True} for tag, secret in secrets.items()]
    cleaned = Redactor(KEY).clean({"deep": [{name: listed}]}, [], HERE)
    assert "canary" not in json.dumps(cleaned)
    made = cleaned["deep"][0][name]
    assert [each[form[0]] for each in made] == list(secrets)
    assert all(each[form[1]].startswith(TOKEN_PREFIX) and each["PropagateAtLaunch"] is True for each in made)


@given(tag_names, tag_pairs)
@example("Tags", {"Owner": "x", "key": "y"})
@example("tags", {"Value": "x", "Owner": "y"})
@example("TagSet", {"TagKey": "x", "b": "y", "c": "z"})
def test_values_of_a_map_of_tags_go_and_their_keys_stay(name: str, pairs: dict[str, str]) -> None:
    assume({key.lower() for key in pairs} not in ({"key", "value"}, {"tagkey", "tagvalue"}))  # that is one tag, as an object
    cleaned = Redactor(KEY).clean({name: {tag: f"canary-{value}-canary" for tag, value in pairs.items()}}, [], HERE)
    assert "canary" not in json.dumps(cleaned)
    assert list(cleaned[name]) == list(pairs)


def test_one_tag_as_an_object_keeps_its_key() -> None:
    cleaned = Redactor(KEY).clean({"Tag": {"Key": "Owner", "Value": "canary"}}, [], HERE)
    assert cleaned["Tag"]["Key"] == "Owner"
    assert cleaned["Tag"]["Value"].startswith(TOKEN_PREFIX)


@pytest.mark.parametrize(
    ("part", "inner"), [("tags", "TagSet"), ("tags", "Tags"), ("tags", "TagList"), ("labels", "TagSet"), ("labels", "TagList")]
)
def test_an_answer_about_tags_keeps_the_keys_that_rules_read(part: str, inner: str) -> None:
    cleaned = Redactor(KEY).clean({part: {inner: [{"Key": "Owner", "Value": "canary"}]}}, [], HERE)
    assert cleaned[part][inner][0]["Key"] == "Owner"
    assert "canary" not in json.dumps(cleaned)


def test_what_else_an_answer_about_tags_says_is_a_tag_too() -> None:
    cleaned = Redactor(KEY).clean({"tags": {"TagSet": [], "Owner": "canary"}}, [], HERE)
    assert cleaned["tags"]["TagSet"] == []
    assert cleaned["tags"]["Owner"].startswith(TOKEN_PREFIX)


@given(tag_pairs)
@example({"app.kubernetes.io/name": "shop", "pod-security.kubernetes.io/enforce": "restricted"})
@example({"Key": "tier", "Value": "web"})
def test_labels_are_selected_by_and_stay(pairs: dict[str, str]) -> None:
    document = {"metadata": {"labels": pairs}, "matchLabels": pairs}
    assert Redactor(KEY).clean(document, [], HERE) == document
    assert Redactor(KEY).kept(document, paths.tree([paths.parse("metadata.labels")]), [], HERE) == {"metadata": {"labels": pairs}}


def test_a_secret_in_a_label_is_a_secret() -> None:
    label = Redactor(KEY).clean({"labels": {"token": "AKIAIOSFODNN7EXAMPLE"}}, [], HERE)["labels"]["token"]
    assert label.startswith(TOKEN_PREFIX)


def test_tags_that_are_only_names_stay() -> None:
    document = {"imageTags": ["latest", "v1"], "CopyTagsToSnapshot": True, "Tags": None}
    assert Redactor(KEY).clean(document, [], HERE) == document


def test_a_path_beneath_tags_is_redacted_too() -> None:
    document = {"Tags": [{"Key": "Owner", "Value": "v", "Note": "canary", "Kept": "here"}]}
    (cleaned,) = Redactor(KEY).clean(document, ["Tags[].Note"], HERE)["Tags"]
    assert "canary" not in cleaned["Note"]
    assert (cleaned["Key"], cleaned["Kept"]) == ("Owner", "here")


# ---- detectors -----------------------------------------------------------------------------------------------------------

upper = string.ascii_uppercase + string.digits
word = string.ascii_letters + string.digits


def text_of(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


def _jwt(payload: dict[str, str]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "HS256"}, payload)]
    return ".".join([*parts, "c2lnbmF0dXJl"])


# each pair: what must not survive, and the text in which it stands
access_keys = st.builds(lambda kind, rest: (kind + rest, kind + rest), st.sampled_from(["AKIA", "ASIA"]), text_of(upper, 16, 16))
pems = st.builds(
    lambda kind, body: (body, f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"),
    st.sampled_from(["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "]),
    text_of(word + "+/=\n", 20, 200).map(lambda body: body.strip() + "A1B2C3D4E5F6G7H8I9"),
)
cut_pems = text_of(word, 40, 80).map(lambda body: (body, f"-----BEGIN PRIVATE KEY-----\n{body}"))
jwts = text_of(word, 1, 30).map(lambda name: (_jwt({"sub": name}), _jwt({"sub": name})))
urls = st.builds(
    lambda scheme, user, password: (password, f"{scheme}://{user}:{password}@db.example.com:5432/shop"),
    st.sampled_from(["https", "postgres", "redis", "amqp+ssl"]),
    text_of(word, 0, 8),
    text_of(word + "!$%*:@", 8, 20),
)
named = st.builds(
    lambda name, sign, secret: (secret, f"{name}{sign}{secret}"),
    st.sampled_from(
        ["AccountKey", "SharedAccessKey", "aws_secret_access_key", "PASSWORD", "password", "api_key", "ApiKey", "client_secret"]
    ),
    st.sampled_from(["=", ": ", " = "]),
    text_of(word + "+/=!", 12, 60).filter(lambda secret: secret[0] not in "="),
)
tokens = st.one_of(
    text_of(word, 36, 40).map(lambda rest: (f"ghp_{rest}", f"ghp_{rest}")),
    text_of(string.digits + "-", 12, 30).map(lambda rest: (f"xoxb-{rest}", f"xoxb-{rest}")),
    text_of(word, 24, 30).map(lambda rest: (f"sk_live_{rest}", f"sk_live_{rest}")),
)
around = st.sampled_from(["", "export X; ", '{"key": "', "Zeile ä\n", "# ", "a,b;"])
after = st.sampled_from(["", " ", ";EndpointSuffix=core.windows.net", "\n# and so on", '"}', "'"])


@given(st.one_of(access_keys, pems, cut_pems, jwts, urls, named, tokens), around, after, st.booleans())
def test_no_secret_survives_by_its_looks(secret: tuple[str, str], before: str, behind: str, nested: bool) -> None:
    hidden, text = secret
    value = before + text + behind
    cleaned = Redactor(KEY).clean({"a": [{"Text": value}] if nested else value}, [], HERE)
    assert hidden not in json.dumps(cleaned, ensure_ascii=False)
    shown = cleaned["a"][0]["Text"] if nested else cleaned["a"]
    assert TOKEN_PREFIX in shown
    assert shown.startswith(before)


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:iam::123456789012:role/akia",
        "https://example.com/path?x=1",
        "s3://bucket/key",
        "passwordless: yes",
        "AKIA too short",
        "eyJust a word.",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "2026-01-02T03:04:05Z",
    ],
)
def test_what_only_looks_a_little_like_a_secret_stays(text: str) -> None:
    assert Redactor(KEY).clean({"a": text}, [], HERE) == {"a": text}


def test_the_id_of_an_access_key_is_no_secret_where_it_is_an_id() -> None:
    document = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Note": "AKIAIOSFODNN7EXAMPLE"}
    cleaned = Redactor(KEY).clean(document, [], HERE)
    assert cleaned["AccessKeyId"] == document["AccessKeyId"]
    assert cleaned["Note"].startswith(TOKEN_PREFIX)


# ---- what is kept, the quick way and the slow way ------------------------------------------------------------------------

SECRET = "AKIAIOSFODNN7EXAMPLE"
odd_names = st.sampled_from(
    ["a", "b", "c", "d e", "parent", "@", "é", "'x", "\\", "Tags", "tags", "labels", "TagSet", "AccessKeyId", "Key", "Value"]
)
odd_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from([BIGGEST, -BIGGEST, BIGGEST + 1, -BIGGEST - 1, 2**64])
    | st.floats()
    | st.sampled_from(
        ["", "harmless", "a" * 40, "key=value", "é", "x\ud800y", SECRET, f"look: {SECRET}", f"é {SECRET}", "password=hunter22"]
    )
    | st.text(max_size=16)
    | st.datetimes()
    | st.dates()
    | st.binary(max_size=3)
    | st.decimals(allow_nan=False, places=2)
    | st.sampled_from(list(Verdict))
)
odd_values = st.recursive(
    odd_leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(odd_names, inner, max_size=4)
        | st.dictionaries(odd_names, inner, max_size=2).map(OrderedDict)
        | st.dictionaries(odd_names | st.integers(0, 2) | st.booleans(), inner, max_size=2)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)
odd_documents = st.dictionaries(odd_names, odd_values, max_size=5) | odd_values
odd_paths = st.lists(odd_names.map(lambda name: f'"{name}"'), min_size=1, max_size=3).map(".".join)
ways = st.lists(odd_paths, max_size=4)


def _exactly(value: Any) -> Any:
    """A value so that only what is of the same types throughout equals it: True is not 1, and a key 1 is not "1"."""
    if isinstance(value, dict):
        return dict, frozenset((type(name), name, _exactly(part)) for name, part in value.items())
    if isinstance(value, list):
        return list, tuple(map(_exactly, value))
    return type(value), value


def _outcome(make: Callable[[], Any]) -> Any:
    try:
        return _exactly(make())
    except paths.MalformedError:
        return paths.MalformedError


def _slowly(document: Any, keep: paths.Tree | None, hidden: Sequence[str] = ()) -> Any:
    return Redactor(KEY).clean(paths.project(document, keep), hidden, HERE)


@given(odd_documents, ways, ways, ways, st.lists(odd_paths, max_size=1))
@example({"a": SECRET}, ["a"], [], [], [])
@example({"a": {"b": "x"}}, ["a.b"], [], [], [])
@example({"a": "x"}, ["a.b"], [], [], [])
@example({"a": [{"b": "x"}, "x"]}, ["a.b"], [], [], [])
@example({"a": [None, [{"b": 1}], OrderedDict(b=1)]}, ["a.b"], [], [], [])
@example({"a": {True: "y"}}, ["a"], [], [], [])
@example({"a": {1: "x", "b": "y"}}, [], ["a"], [], [])
@example({"a": {1: "x"}}, ["a.b"], [], [], [])
@example({"Tags": {"a": "x"}, "a": {"Tags": [{"Key": "a", "Value": "b"}]}}, ["a"], ["Tags"], [], [])
@example({"a": {"b": "x", "c": "y"}}, ["a.b"], ["a"], ["a.c"], [])
@example({"a": {"AccessKeyId": SECRET}, "b": SECRET}, ["a", "b"], [], [], [])
@example(None, ["a"], [], [], [])
@example("text", ["a"], [], [], [])
@example([{"a": "x"}, {"a": SECRET}], ["a"], [], [], [])
def test_both_ways_of_keeping_are_one(document: Any, plain: list[str], names: list[str], there: list[str], hidden: list[str]) -> None:
    """The quick way gives what projecting and cleaning give, and refuses what they refuse; once it is compiled and knows the words too."""
    keep = paths.tree(map(paths.parse, plain), map(paths.parse, names), map(paths.parse, there))
    assume(keep)
    expected = _outcome(partial(_slowly, document, keep, hidden))
    for hot in (1, 2, 100):  # compiled at once, the second time, never
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(redact, "HOT", hot)
            redactor = Redactor(KEY)
            for _ in range(3):
                assert _outcome(partial(redactor.kept, document, keep, hidden, HERE)) == expected


@given(odd_documents)
def test_without_a_tree_everything_is_kept(document: Any) -> None:
    assert _outcome(partial(Redactor(KEY).kept, document, None, [], HERE)) == _outcome(partial(_slowly, document, None))


@given(st.lists(odd_documents, max_size=6), st.integers(1, 3))
def test_a_redactor_that_forgets_says_the_same(several: list[Any], room: int) -> None:
    keep = paths.tree(paths.parse(f'"{name}"') for name in ("a", "b", "c", "parent"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redact, "REMEMBERED", room)
        forgetful = Redactor(KEY)
        for document in several:
            expected = _outcome(partial(_slowly, document, keep))
            assert _outcome(partial(forgetful.kept, document, keep, [], HERE)) == expected
            assert len(forgetful._harmless) <= room
            assert len(forgetful._tagged) <= room


def test_what_is_malformed_is_named_and_not_shown() -> None:
    for document in ({"a": SECRET}, {"a": [{"b": 1}, SECRET]}, {"a": 4711}):
        with pytest.raises(paths.MalformedError) as caught:
            Redactor(KEY).kept(document, paths.tree([paths.parse("a.b")]), [], HERE)
        assert str(caught.value) in ("a", "b")


def test_what_was_found_harmless_in_one_place_is_hidden_in_another() -> None:
    redactor, keep = Redactor(KEY), paths.tree(map(paths.parse, ("a", "Tags")))
    assert redactor.kept({"a": "Owner"}, keep, [], HERE) == {"a": "Owner"}
    assert redactor.kept({"a": "Owner", "Tags": {"x": "Owner"}}, keep, [], HERE)["Tags"]["x"].startswith(TOKEN_PREFIX)
    assert redactor.kept({"a": "Owner"}, keep, ["a"], HERE)["a"].startswith(TOKEN_PREFIX)


# ---- tokens --------------------------------------------------------------------------------------------------------------


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_the_same_secret_at_the_same_place_gives_the_same_token(secret: str, resource: str, key: str) -> None:
    document = {"a": [secret, secret], "b": secret}
    once, again = (Redactor(key.encode()).clean(document, ["a", "b"], resource) for _ in range(2))
    assert once == again
    assert len({*once["a"], once["b"]}) == 3


@given(st.text(min_size=1), st.text(), st.text())
def test_the_same_secret_elsewhere_gives_another_token(secret: str, one: str, other: str) -> None:
    assume(one != other)
    redactor = Redactor(KEY)
    assert redactor.clean({"a": secret}, ["a"], f"r{one}") != redactor.clean({"a": secret}, ["a"], f"r{other}")
    assert redactor.clean({"a": secret}, ["a"], HERE) != Redactor(b"another").clean({"a": secret}, ["a"], HERE)


@given(st.text(string.ascii_letters), st.text(string.ascii_letters))
def test_a_changed_secret_shows_as_drift(one: str, other: str) -> None:
    assume(one != other)
    redactor = Redactor(KEY)
    assert redactor.clean({"a": one}, ["a"], HERE) != redactor.clean({"a": other}, ["a"], HERE)


@given(
    st.recursive(leaves | st.floats() | st.integers() | st.datetimes() | st.binary(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_what_comes_out_can_be_stored(value: Any) -> None:
    assert canonical(Redactor(KEY).clean(value, ["a"], HERE))


def test_a_lone_surrogate_cannot_stop_a_scan() -> None:
    assert canonical(Redactor(KEY).clean({"a": "x\ud800y", "b": "\udfff"}, ["b"], HERE))


# ---- what two sides share --------------------------------------------------------------------------------------------------

SHARED = ("aws:Referer", "sts:ExternalId")


@given(
    st.sampled_from(["aws:referer", "AWS:REFERER", "sts:ExternalId"]), st.from_regex(r"canary[a-z0-9]{1,9}", fullmatch=True), st.booleans()
)
def test_values_under_a_secret_key_go_and_their_wildcards_stay(name: str, secret: str, listed: bool) -> None:
    redactor = Redactor(KEY, SHARED)
    values = [secret, f"*{secret}", f"{secret}?", "*", ""]
    document = {"condition": {"stringlike": {name: values if listed else values[1], "aws:sourceip": ["10.0.0.0/8"]}}}
    for made in (redactor.clean(document, (), HERE), redactor.kept(document, paths.tree([paths.parse("condition")]), (), HERE)):
        assert "canary" not in str(made)
        kept = made["condition"]["stringlike"]
        assert kept["aws:sourceip"] == ["10.0.0.0/8"]
        if listed:
            one, behind, before, *whole = kept[name]
            assert one.startswith(TOKEN_PREFIX)
            assert behind.startswith(f"*{TOKEN_PREFIX}")
            assert before.endswith("?")
            assert whole == ["*", ""]
        else:
            assert kept[name].startswith(f"*{TOKEN_PREFIX}")


def test_a_secret_key_is_seen_in_a_table_that_is_read_much() -> None:
    """The function that is made for such a table looks for it too, at its own paths and beneath them."""
    redactor = Redactor(KEY, SHARED)
    keep = paths.tree([paths.parse("a"), paths.parse('"sts:ExternalId"')])
    for number in range(redact.HOT + 5):
        made = redactor.kept({"a": {"aws:Referer": "canary"}, "sts:ExternalId": "canary"}, keep, (), str(number))
        assert "canary" not in str(made)


def test_without_secret_keys_such_values_are_like_any_other() -> None:
    document = {"aws:Referer": "plain"}
    assert Redactor(KEY).clean(document, (), HERE) == document
