"""What the world reaches: databases by an address, a route and leave; load balancers by their listeners; clusters by their endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.made.networks import Groups
from cnamm_scan.providers.aws.made.paths import Paths, is_world
from cnamm_scan.providers.first_match import ANYBODY
from cnamm_scan.providers.interface import SeenRow, SeenTables, rows_if_read
from cnamm_scan.providers.openness import EVERYWHERE, Openness, addresses, judge
from cnamm_scan.providers.ports import HABITS, LISTS, NO_PORTS, Ports, lists_of, ports
from cnamm_scan.providers.truths import Truth, any_of, both

SUBNET_GROUP = "aws.redshift.subnet_group"
TARGET_GROUP = "aws.elbv2.target_group"
LISTENER_RULE = "aws.elbv2.listener_rule"
_SIGN_IN = ("authenticate-", "jwt-")
"""How the types of actions begin that let through only who has signed in."""
WORLD = Openness.WORLD
Place = tuple[str, str, str]
"""Target, region and ARN."""


def exposures(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each row of `over`: a database with groups, subnets or the name of a group of them, a port, and whether it is public."""
    groups, paths = Groups(seen), Paths(seen)
    by_name = {(row.target, row.region, row.values["name"]): row.values["subnets"] for row in rows_if_read(seen, SUBNET_GROUP)}
    for row in seen.rows(seen.over[0]):
        values = row.values
        subnets = values["subnets"] if "subnets" in values else by_name.get((row.target, row.region, values["subnet_group"]))
        at = None if values["port"] is None else ports("tcp", values["port"], values["port"])
        routed = _routed(paths, row, subnets)
        reached, leave = _reached(groups, paths, row, subnets, at)
        made = {
            **{name: values[name] for name in ("name", "port", "security_groups", "is_public")},
            "has_route": routed,
            "admitted": leave,
            "is_exposed": both(values["is_public"], reached),
        }
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _routed(paths: Paths, row: SeenRow, subnets: Sequence[str] | None) -> Truth:
    return None if not subnets else any_of(paths.reaches_internet(row.target, row.region, each) for each in subnets)


def _reached(groups: Groups, paths: Paths, row: SeenRow, subnets: Sequence[str] | None, at: Ports | None) -> tuple[Truth, str | None]:
    """Whether the world gets to the port in one of the subnets, and whom groups and network ACLs let in there."""
    if at is None:
        some = _routed(paths, row, subnets)
        return (False if some is False else None), None
    grouped = groups.admitted(row.target, row.region, row.values["security_groups"], at)
    if not subnets:
        # where they were not read, neither are the network ACLs that may keep out whom the groups let in
        least, most = Openness.NONE if subnets is None else judge(grouped.sure), judge(grouped.possible)
        return (False if most is not WORLD else None), (least.value if least is most else None)
    answers: list[Truth] = []
    levels: list[tuple[Openness, Openness]] = []
    for subnet in subnets:
        passed = grouped.within(paths.let_in(row.target, row.region, subnet, at))
        levels.append((judge(passed.sure), judge(passed.possible)))
        answered = passed.within(paths.let_back(row.target, row.region, subnet))
        answers.append(both(paths.reaches_internet(row.target, row.region, subnet), is_world(answered)))
    low, high = (max(levels, key=lambda pair: pair[n].rank)[n] for n in (0, 1))
    return any_of(answers), (low.value if low is high else None)


def listeners(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each listener of a load balancer: the lists of which its port, or one behind it, is one that the world reaches."""
    groups = Groups(seen)
    behind = {(row.target, row.region, str(row.values["arn"])): row for row in rows_if_read(seen, TARGET_GROUP)}
    rules: dict[Place, list[SeenRow]] = {}
    for row in rows_if_read(seen, LISTENER_RULE):
        rules.setdefault((row.target, row.region, str(row.values["listener_arn"])), []).append(row)
    for row in seen.rows(seen.over[0]):
        values = row.values
        at = None if None in (values["port"], values["protocol"]) else _at(values["protocol"], values["port"])
        public = None if values["scheme"] is None else values["scheme"] == "internet-facing"
        admitted: Truth = True
        if values["security_groups"] is None or values["security_groups"]:
            admitted = is_world(ANYBODY if at is None else groups.admitted(row.target, row.region, values["security_groups"], at))
        elif "target_groups" in values and not _hides_clients(row, behind):
            admitted = None  # groups of the targets still see who comes, and may turn the world away
        reached = both(public, admitted)
        own = rules.get((row.target, row.region, row.key), [])
        found = [_behind(row, behind), *(_behind(each, behind) for each in own)]
        hidden = at is None or any(each.hidden for each in found) or _rules_are_hidden(row, seen)
        sure = (set() if at is None else set(lists_of(at))) | _lists(row, (port for each in found if each.for_all for port in each.ports))
        some = _lists(row, (port for each in found if not each.for_all for port in each.ports)) - sure
        made: dict[str, Any] = {name: values[name] for name in ("load_balancer", "scheme", "protocol", "port")}
        made |= {f"opens_{name}": both(reached, True if name in sure else None if hidden or name in some else False) for name in LISTS}
        made["target_ports"] = [str(port) for port in sorted({port for each in found for port in each.ports})]
        made["is_public"] = reached
        made["open_lists"] = [] if reached is False else None if reached is None or hidden or some else sorted(sure)
        yield MadeRow(row.target, row.region, row.key, made, (row.fact, *(each.fact for each in own)))


def _lists(row: SeenRow, behind: Iterable[int]) -> set[str]:
    """The lists that ports behind a listener are on."""
    protocol, front = row.values["protocol"], row.values["port"]
    made: set[str] = set()
    for port in behind if protocol is not None else ():
        made |= lists_of(_at(protocol, port).without(NO_PORTS if port == front else HABITS))
    return made


def _rules_are_hidden(row: SeenRow, seen: SeenTables) -> bool:
    """Whether a listener may have more rules than were seen. Those of HTTP alone have others than their default actions."""
    is_web = str(row.values["protocol"] or "HTTP").upper() in ("HTTP", "HTTPS")
    return is_web and LISTENER_RULE in seen.reads and seen.dark(LISTENER_RULE, row.target, row.region)


def _at(protocol: str, port: int) -> Ports:
    """The ports that a listener's protocol has: UDP, TCP_UDP, or one over TCP."""
    named = protocol.upper()
    made = ports("tcp", port, port) if named != "UDP" else Ports()
    return made.joined(ports("udp", port, port)) if named in ("UDP", "TCP_UDP", "QUIC", "TCP_QUIC") else made


def _hides_clients(row: SeenRow, behind: Mapping[Place, SeenRow]) -> bool:
    """Whether targets of a Network Load Balancer without groups see its address, not the client's: by address, over TCP."""
    kinds = {None if each is None else each.values["target_type"] for each in _groups_of(row, behind) or ()}
    return kinds == {"ip"} and str(row.values["protocol"]).upper() in ("TCP", "TLS")


@dataclass(frozen=True, slots=True)
class _Behind:
    """Where a listener, or one of its rules, hands on whom it gets."""

    ports: frozenset[int]
    hidden: bool
    """One of its ports was not read."""
    for_all: bool
    """Whoever comes is handed on: nobody is asked to sign in, or for an address, as far as was read."""


def _behind(row: SeenRow, behind: Mapping[Place, SeenRow]) -> _Behind:
    values = row.values
    if "target_port" in values:
        return _Behind(frozenset({values["target_port"]} - {None}), hidden=values["target_port"] is None, for_all=True)
    groups = _groups_of(row, behind)
    if groups is None:
        return _Behind(frozenset(), hidden=True, for_all=True)
    found = {None if each is None else each.values["port"] for each in groups}
    return _Behind(frozenset(each for each in found if each), hidden=None in found, for_all=_is_for_all(values))


def _is_for_all(values: Mapping[str, Any]) -> bool:
    """By what is done first, and in a rule by what it asks of who comes: hosts and paths anybody can ask for."""
    actions = values["actions"] if "actions" in values else None if values["action"] is None else [values["action"]]
    asks = values.get("conditions", [])
    return actions is not None and asks is not None and not any(each.startswith(_SIGN_IN) for each in actions) and "source-ip" not in asks


def _groups_of(row: SeenRow, behind: Mapping[Place, SeenRow]) -> list[SeenRow | None] | None:
    """The target groups behind a listener, None for one that was not seen; None in place of all where it was not read which they are."""
    named, weighed = row.values["target_groups"], row.values["weighed_groups"]
    if named is None or weighed is None:
        return None
    return [behind.get((row.target, row.region, each)) for each in sorted({*named, *weighed} - {""})]


def cluster_endpoints(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each cluster: to whom its API server answers. A public endpoint without ranges answers everybody."""
    for row in seen.rows("aws.eks.cluster"):
        public, ranges = row.values["has_public_endpoint"], row.values["public_ranges"]
        found = Openness.PRIVATE if public is False else _ranged(ranges)
        made = {
            **{name: row.values[name] for name in ("name", "has_public_endpoint", "public_ranges")},
            "openness": found.value if found is not None and public is not None else None,
            "is_open_to_world": both(public, None if found is None else found is WORLD),
        }
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _ranged(ranges: Sequence[str] | None) -> Openness | None:
    if ranges is None:
        return None
    try:
        return judge(addresses(ranges) if ranges else EVERYWHERE)
    except ValueError:
        return None
