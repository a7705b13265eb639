"""What AWS's errors may be taken for: a closed list that content uses as a whole, and a lint that refuses what is not on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cnamm_scan import content as reader
from cnamm_scan.model import Call, Content, Reason
from cnamm_scan.providers.aws import absences, errors
from cnamm_scan.providers.aws.lint import check
from cnamm_scan.providers.interface import CallFailedError

CONTENT = reader.load()
USED = {
    (":".join(call.of(table.client)), entry)
    for table in CONTENT.tables.values()
    if table.id.startswith("aws.")
    for call in (table.list, *table.then.values())
    for entry in call.absent_on
}


def test_the_list_holds_what_content_uses_and_nothing_else() -> None:
    assert {(asked, entry) for asked, entries in absences.KNOWN.items() for entry in entries} == USED
    assert all(len(how) > 10 for entries in absences.KNOWN.values() for how in entries.values())


def test_a_code_that_is_given_for_a_refusal_too_asks_for_words() -> None:
    for asked, entries in absences.KNOWN.items():
        for entry in entries:
            code, _, words = entry.partition(":")
            assert words.strip() or not code.startswith(("AccessDenied", "InvalidAccess")), (asked, entry)


def changed(table: str, part: str, **values: object) -> Content:
    spec = CONTENT.tables[table]
    call: Call = replace(spec.then[part], **values)  # type: ignore[arg-type]
    return replace(CONTENT, tables={table: replace(spec, then={part: call})})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"absent_on": ("NoSuchBucket",)}, "nobody has said that 'NoSuchBucket' of s3:GetBucketPolicy means that there is none"),
        ({"absent_on": ("NoSuchBucketPolicy: words",)}, "nobody has said"),
        ({"absent_on": ("AccessDenied",)}, "nobody has said"),
        ({"gone_on": ("NoSuchBuckets",)}, "s3:GetBucketPolicy does not answer 'NoSuchBuckets'"),
        ({"gone_on": ("AccessDenied",)}, "is a refusal"),
        ({"gone_on": ("NoSuchBucket",)}, None),
    ],
)
def test_what_nobody_knows_is_refused(values: dict[str, object], said: str | None) -> None:
    found = [what for _, what, _ in check(changed("aws.s3.bucket", "policy", **values))]
    told = [what for what in found if "means that there is none" in what or "does not answer" in what or "is a refusal" in what]
    assert (not told) if said is None else any(said in what for what in told)


@pytest.mark.parametrize(
    "code", ["NotFoundException", "NoSuchEntity", "TrailNotFoundException", "StateMachineDoesNotExist", "DBSnapshotNotFound"]
)
def test_not_found_is_unread_for_what_it_is(code: str) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(CallFailedError) as raised, errors.translated():
        raise ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "GetThing")
    assert (raised.value.reason, raised.value.retry) == (Reason.NOT_FOUND, False)
