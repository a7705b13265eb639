"""What the policies of keys, file systems, vaults and search domains are asked beside whom they admit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.made.access import carried, policies
from cnamm_scan.providers.aws.policies import facts, questions
from cnamm_scan.providers.aws.policies.documents import Document
from cnamm_scan.providers.aws.policies.setting import Setting, Truth
from cnamm_scan.providers.interface import SeenTables

TAGGED = "aws.tagging.resource"
_FOR_ENCLAVES = "enclave"


def keys(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each key: whom it lets decrypt, who manages it and uses it too, and whether it is one for enclaves."""
    marked = {
        (row.target, row.region, row.values["arn"]): None
        if row.values["tag_keys"] is None
        else any(_FOR_ENCLAVES in key.lower() for key in row.values["tag_keys"])
        for row in seen.rows(TAGGED)
    }
    for row, judged in policies(seen):
        made: dict[str, Any] = {}
        for_enclaves: bool | None = None
        if judged is not None:
            made = facts.key_row(judged.document, judged.setting, judged)
            for_enclaves = made.pop("mentions_attestation")
        if not for_enclaves:
            unmarked = None if seen.dark(TAGGED, row.target, row.region) else False
            tagged = marked.get((row.target, row.region, row.key), unmarked)
            for_enclaves = True if tagged else None if None in (tagged, for_enclaves) else False
        values = {**carried(row, ("manager", "state")), **made, "is_for_enclaves": for_enclaves}
        yield MadeRow(row.target, row.region, row.key, values, (row.fact,))


def file_systems(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each file system: who may mount it, and whether without TLS."""
    for row, judged in policies(seen):
        made: dict[str, Any] = {}
        if judged is not None:
            document = judged.document
            made = {
                **judged.document_row(),
                "has_policy": bool(document.statements) or not document.readable,
                "refuses_plaintext": questions.refuses_plain_mounts(document, judged.setting).as_bool,
                "asks_who_mounts": questions.asks_who_mounts(document, judged.setting).as_bool,
            }
        yield MadeRow(row.target, row.region, row.key, {**carried(row), **made}, (row.fact,))


LETS_GO = ("backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle", "backup:PutBackupVaultAccessPolicy")
"""A backup is deleted, is let expire tomorrow, or loses the policy that refuses both."""


def _keeps_backups(document: Document, setting: Setting) -> Truth:
    """Whether whom the policy does not exempt by name can do none of what ends a backup before its time."""
    made = Truth.YES
    for action in LETS_GO:
        made &= questions.refuses_unnamed(document, setting, action)
    return made


def vaults(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each backup vault: whom it admits, and whether backups in it can be deleted."""
    for row, judged in policies(seen):
        made: dict[str, Any] = {}
        if judged is not None:
            document = judged.document
            made = {
                **judged.document_row(),
                "has_policy": bool(document.statements) or not document.readable,
                "refuses_deletion": _keeps_backups(document, judged.setting).as_bool,
            }
        values = {**carried(row, ("kind", "recovery_points", "is_locked")), **made}
        yield MadeRow(row.target, row.region, row.key, values, (row.fact,))


def search_domains(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each search domain: one in a VPC is reached from there only."""
    for row, judged in policies(seen):
        made: dict[str, Any] = {}
        inside = row.values["is_in_vpc"]
        if judged is not None:
            made = facts.document_row(judged.document, replace(judged.setting, in_network=True)) if inside else judged.document_row()
            if inside is None and made["is_public"] is not False:  # a VPC would make a difference
                made = {name: value for name, value in made.items() if name in ("is_readable", "partners_with_all_actions")}
        elif inside:
            made = {"is_public": False}
        yield MadeRow(row.target, row.region, row.key, {**carried(row, ("is_in_vpc", "knows_its_users")), **made}, (row.fact,))
