"""Providers of workload identity pools: whether whoever comes by one is of one tenant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.gcp.policies.federation import Provider, is_shared, issuer_of
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.truths import Truth, any_of, either, negated

BINDING = "gcp.iam.binding"
PROVIDER = "gcp.iam.pool_provider"
_POOLS = "iam.googleapis.com/"


def pool_trust(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each provider of a pool. A grant to its pool may stand in any project: of those that are not scanned nothing is known."""
    grants: dict[str, list[tuple[str, SeenRow]]] = {}
    is_whole = all(not seen.dark(BINDING, each.id) for each in seen.targets)
    for row in seen.rows(BINDING):
        if row.values["members"] is None:
            is_whole = False
        for member in row.values["members"] or ():
            if "/workloadIdentityPools/" in member:
                grants.setdefault(_pool(member), []).append((member, row))
    is_whole = is_whole and any(each.name.startswith("organizations/") for each in seen.targets)
    for row in seen.rows(PROVIDER):
        yield _judged(row, grants.get(str(row.values["pool"]), ()), is_whole)


def _judged(row: SeenRow, grants: Sequence[tuple[str, SeenRow]], is_whole: bool) -> MadeRow:
    issuer, mapping, condition = (row.values[each] for each in ("issuer", "mapping", "condition"))
    shared: Truth = None if issuer is None else False if issuer == "" else is_shared(issuer)
    known = issuer_of(issuer) if issuer else None
    binds: Truth = None
    strange: Truth = None
    if known is not None and condition is not None and isinstance(mapping, Mapping):
        provider = Provider(known, {str(name): str(said) for name, said in mapping.items()}, condition)
        binds = provider.condition_binds
        strange = any_of(provider.admits_strangers(member) for member, _ in grants)
        strange = False if binds is True else strange if strange is True or is_whole else None
    values = {
        **{name: row.values[name] for name in ("name", "pool", "issuer", "is_disabled")},
        "is_shared": shared,
        "condition_binds": binds,
        "has_strange_grant": strange,
        "is_bound": True if shared is False else None if shared is None else either(binds, negated(strange)),
    }
    return MadeRow(row.target, row.region, row.key, values, (row.fact, *dict.fromkeys(each.fact for _, each in grants)))


def _pool(member: str) -> str:
    """The pool that a member is of: projects/111/locations/global/workloadIdentityPools/POOL."""
    head, _, rest = member.partition("/workloadIdentityPools/")
    return f"{head.partition(_POOLS)[2]}/workloadIdentityPools/{rest.partition('/')[0]}"
