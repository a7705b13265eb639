"""What strangers are given: every resource whose policy names them, and buckets and datasets with what else decides about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.gcp.made.constraints import Policies
from cnamm_scan.providers.gcp.policies.conditions import Ask, allows
from cnamm_scan.providers.gcp.policies.public import ANYBODY, is_bucket_open, is_dataset_open, is_prevented
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.truths import Truth, any_of, both, either, negated

BINDING = "gcp.iam.binding"
BUCKET = "gcp.storage.bucket"
DATASET = "gcp.bigquery.dataset"
RUN = "gcp.run.service"
RUN_TYPE = "run.googleapis.com/Service"
FUNCTIONS = ("gcp.cloudfunctions.first_generation", "gcp.cloudfunctions.function")
FUNCTION_TYPES = ("cloudfunctions.googleapis.com/CloudFunction", "cloudfunctions.googleapis.com/Function")
EFFECTIVE = "gcp.storage.prevention"
TAG = "gcp.project.tag_binding"
PREVENTION = "storage.publicAccessPrevention"


class _Given:
    """What bindings give to strangers, resource by resource."""

    def __init__(self, seen: SeenTables) -> None:
        self._seen = seen
        self.rows: dict[tuple[str, str], list[SeenRow]] = {}
        self._unread: set[tuple[str, str]] = set()
        self.told: set[tuple[str, str]] = set()
        """Resources of which a binding was seen, whomever it names."""
        for row in seen.rows(BINDING):
            place = (row.target, str(row.values["resource"]))
            self.told.add(place)
            if row.values["members"] is None:
                self._unread.add(place)
            elif ANYBODY.intersection(row.values["members"]):
                self.rows.setdefault(place, []).append(row)

    def holds(self, row: SeenRow) -> Truth:
        """Whether a binding gives what it says now."""
        condition = row.values["condition"]
        return None if condition is None else allows(condition, Ask(self._seen.now))

    def to(self, target: str, resource: str) -> Truth:
        """Whether strangers are given something on a resource."""
        found = any_of(self.holds(row) for row in self.rows.get((target, resource), ()))
        return found if found is True or self.is_whole(target, resource) else None

    def is_whole(self, target: str, resource: str) -> bool:
        """Whether all that is given on a resource was seen."""
        return not self._seen.dark(BINDING, target) and (target, resource) not in self._unread

    def roles(self, target: str, resource: str) -> list[str] | None:
        """What strangers are given."""
        rows = self.rows.get((target, resource), ())
        found = [row.values["role"] for row in rows]
        return sorted({*found}) if None not in found and self.is_whole(target, resource) else None

    def anonymous(self, target: str, resource: str) -> Truth:
        """Whether it is given to who has no login either."""
        found = any("allUsers" in row.values["members"] for row in self.rows.get((target, resource), ()))
        return found if found or self.is_whole(target, resource) else None

    def facts(self, target: str, resource: str) -> tuple[str, ...]:
        """The bindings that name them."""
        return tuple(row.fact for row in self.rows.get((target, resource), ()))


def public_access(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each resource whose policy gives something to anybody, and each service that asks no caller for a permission."""
    given = _Given(seen)
    buckets = _prevented(seen)
    services = {(row.target, row.key): row for row in seen.rows(RUN)}
    functions = {(row.target, row.key): row.values["ingress"] for table in FUNCTIONS for row in seen.rows(table)}
    for (target, resource), rows in given.rows.items():
        first = rows[0].values
        is_public, is_anonymous = given.to(target, resource), given.anonymous(target, resource)
        facts = given.facts(target, resource)
        if first["resource_type"] == "storage.googleapis.com/Bucket":
            is_public = both(is_public, negated(buckets.get((target, resource))))
        if first["resource_type"] == RUN_TYPE:
            service = services.get((target, resource))
            skips: Truth = None if service is None else service.values["skips_iam"]
            is_public = both(either(is_public, skips), None if service is None else _is_reached(service))
            is_anonymous = either(is_anonymous, skips)
            facts = facts if service is None else (*facts, service.fact)
        if first["resource_type"] in FUNCTION_TYPES:
            is_public = both(is_public, _DOORS.get(functions.get((target, resource)) or ""))
        values = {
            "resource_id": first["resource_id"],
            "resource_type": first["resource_type"],
            "roles": given.roles(target, resource),
            "is_anonymous": is_anonymous,
            "is_public": is_public,
        }
        yield MadeRow(target, rows[0].region, resource, values, facts)
    for (target, resource), service in services.items():
        skips = service.values["skips_iam"]
        if (target, resource) not in given.rows and skips is not False:
            values = {
                "resource_id": service.values["id"],
                "resource_type": RUN_TYPE,
                "roles": given.roles(target, resource),
                "is_anonymous": either(skips, given.anonymous(target, resource)),
                "is_public": both(either(skips, given.to(target, resource)), _is_reached(service)),
            }
            yield MadeRow(target, service.region, resource, values, (service.fact,))


_DOORS: Mapping[str, Truth] = {"all": True, "internal": False, "ALLOW_ALL": True, "ALLOW_INTERNAL_ONLY": False}
"""Ingress of a service or a function -> whether the internet reaches it: through a load balancer it may too."""


def _is_reached(service: SeenRow) -> Truth:
    """Whether the internet reaches a service: where its own address is off, a load balancer or a domain may lead to it all the same."""
    return both(_DOORS.get(service.values["ingress"] or ""), True if service.values["has_own_url"] else None)


def _prevented(seen: SeenTables) -> Mapping[tuple[str, str], Truth]:
    """(target, bucket) -> whether public access prevention holds for it.

    Where policies above were not seen, the project's own answer tells; but it was evaluated for the tags of the project, and a bucket with
    tags of its own may be an exception.
    """
    policies = Policies(seen)
    targets: Mapping[str, Target] = {each.id: each for each in seen.targets}
    told = {row.target: row.values["is_enforced"] for row in seen.rows(EFFECTIVE)}
    tagged = {row.values["parent"] for row in seen.rows(TAG)}
    by_target: dict[str, Truth] = {}
    answers: dict[str, bool] = {}
    found: dict[tuple[str, str], Truth] = {}
    for row in seen.rows(BUCKET):
        if row.target not in by_target:
            made = policies.effect(PREVENTION, policies.hierarchy.above(targets[row.target]))
            answers[row.target] = made.is_enforced is None and not made.is_partly
            by_target[row.target] = told.get(row.target) if answers[row.target] else made.is_enforced
        held = by_target[row.target]
        if answers[row.target] and (row.key in tagged or None in tagged or seen.dark(TAG, row.target)):
            held = None
        found[row.target, row.key] = is_prevented(row.values["prevention"], held)
    return found


def bucket_access(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each bucket: whether strangers get in."""
    given = _Given(seen)
    prevented = _prevented(seen)
    for row in seen.rows(BUCKET):
        stopped, uniform = prevented[row.target, row.key], row.values["is_uniform"]
        values = {
            "name": row.values["name"],
            "is_prevented": stopped,
            "is_uniform": uniform,
            "roles": given.roles(row.target, row.key),
            "is_public": is_bucket_open(given.to(row.target, row.key), is_prevented=stopped, is_uniform=uniform),
        }
        yield MadeRow(row.target, row.region, row.key, values, (row.fact, *given.facts(row.target, row.key)))


def dataset_access(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each dataset: whether strangers get in. Its own list is its allow policy too, and no dataset is without one."""
    given = _Given(seen)
    for row in seen.rows(DATASET):
        access: Sequence[Mapping[str, object]] | None = row.values["access"]
        is_list = isinstance(access, list) and all(isinstance(each, Mapping) for each in access)
        is_told = access is None and (row.target, row.key) in given.told
        opened = either(False if is_told else is_dataset_open(access if is_list else None), given.to(row.target, row.key))
        values = {"name": row.values["name"], "project": row.values["project"], "is_public": opened}
        yield MadeRow(row.target, row.region, row.key, values, (row.fact, *given.facts(row.target, row.key)))
