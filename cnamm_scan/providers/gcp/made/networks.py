"""What the world reaches: on machines of each VPC network, and of each interface with an external address, through all that guards it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.first_match import Through, opened_by
from cnamm_scan.providers.gcp.made.hierarchy import Hierarchy
from cnamm_scan.providers.gcp.policies.firewall import (
    UNREAD_RULE,
    Machine,
    Pieces,
    Rule,
    Tier,
    gathered,
    in_doubt,
    ordered,
    pieces_of,
    policy_rule,
    vpc_rule,
)
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.openness import EVERYWHERE, PUBLIC, Addresses, addresses
from cnamm_scan.providers.truths import Truth, either

Row = dict[str, Any]
Json = Any

NETWORK = "gcp.vpc.network"
FIREWALL = "gcp.network.firewall"
HIERARCHICAL = "gcp.network.firewall_policy"
GLOBAL = "gcp.network.network_policy"
REGIONAL = "gcp.network.regional_policy"
INTERFACE = "gcp.network.interface"
USUAL = 1000
"""The priority of an association that names none."""
BEFORE = "BEFORE_CLASSIC_FIREWALL"


class _Networks:
    """The firewalls of every network of a scan."""

    def __init__(self, seen: SeenTables) -> None:
        self.seen = seen
        self.hierarchy = Hierarchy(seen)
        self.targets: Mapping[str, Target] = {each.id: each for each in seen.targets}
        self.networks = {str(row.values["id"]): row for row in seen.rows(NETWORK) if row.values["id"]}
        self.rules: dict[str, list[SeenRow]] = {}
        self.homeless: dict[str, bool] = {}
        for row in seen.rows(FIREWALL):
            if row.values["network"]:
                self.rules.setdefault(row.values["network"], []).append(row)
            else:
                self.homeless[row.target] = True  # a rule of which it was not read where it holds
        self.policies = {table: self._attached(table) for table in (HIERARCHICAL, GLOBAL, REGIONAL)}
        self._opened: dict[tuple[Machine, str, Truth, Truth], Row] = {}
        self._pieces: dict[tuple[str, Machine, str], Pieces] = {}

    def _attached(self, table: str) -> Mapping[str, Sequence[SeenRow]]:
        """What policies are attached to -> the policies; under "" those of which it was not read."""
        found: dict[str, list[SeenRow]] = {}
        for row in self.seen.rows(table):
            for each in ("",) if row.values["attached_to"] is None else row.values["attached_to"]:
                found.setdefault(_relative(each), []).append(row)
        return found

    def pieces(self, network: str, machine: Machine, region: str = "") -> Pieces:
        """Whom a machine of a network lets in; of one in a region, by what is attached there too."""
        which = (network, machine, region)
        if which not in self._pieces:
            self._pieces[which] = self._judged(network, machine, region)
        return self._pieces[which]

    def _judged(self, network: str, machine: Machine, region: str) -> Pieces:
        row = self.networks.get(network)
        if row is None:
            return pieces_of((None,))  # of a project that is not scanned, or none of these was read
        above, beneath = self._above(row, machine), self._beneath(row, machine, region)
        found = pieces_of((*above, *beneath))
        if len(above) > 1 and _told(row) is not None:  # nowhere is it written in which order a network tells them
            found = in_doubt(found, pieces_of((*reversed(above), *beneath)))
        return found

    def opened(self, machine: Machine, region: str, address: Truth, address6: Truth) -> Row:
        """What the world reaches of a machine with external addresses of these kinds."""
        which = (machine, region, address, address6)
        if which not in self._opened:
            pieces = [(at, each.within(_families(address, address6))) for at, each in self.pieces(machine.network, machine, region)]
            self._opened[which] = _opened(pieces)
        return self._opened[which]

    def _beneath(self, row: SeenRow, machine: Machine, region: str) -> Sequence[Tier]:
        """What stands beneath the hierarchical policies: rules of the network, and policies of its own after them or before."""
        vpc = self._vpc(row, machine)
        own = (*self._of_network(row, machine), *self._attached_to(REGIONAL, row, machine, region))
        order = row.values["order"]
        if order is None and (vpc is None or any(each is None or each for each in own)):
            return (None,)
        return (*self._system(row, machine), *((*own, vpc) if order == BEFORE else (vpc, *own)))

    def _system(self, row: SeenRow, machine: Machine) -> Sequence[Tier]:
        """Policies of Google's own services, and what the network tells of a kind that is not known here."""
        told = _told(row)
        kinds = [each.get("type") for each in told or ()]
        odd: Sequence[Tier] = (None,) if not {*kinds} <= {"HIERARCHY", "NETWORK", "SYSTEM"} else ()
        return (*odd, *(_tier(each.get("rules", []), machine) for each, kind in zip(told or (), kinds, strict=False) if kind == "SYSTEM"))

    def _vpc(self, row: SeenRow, machine: Machine) -> Tier:
        if self.seen.dark(FIREWALL, row.target) or self.homeless.get(row.target):
            return None
        return ordered(vpc_rule(each.values, machine) for each in self.rules.get(str(row.values["id"]), ()))

    def _above(self, row: SeenRow, machine: Machine) -> Sequence[Tier]:
        """The hierarchical policies of a network, from the top; as the network itself tells, else as they are attached above it."""
        told = _told(row)
        if told is not None:
            return [_tier(each.get("rules", []), machine) for each in told if each.get("type") == "HIERARCHY"]
        line = self.hierarchy.above(self.targets[row.target])
        if line is None:
            return (None,)
        attached = self.policies[HIERARCHICAL]
        made: list[Tier] = []
        for level in reversed(line[1:]):
            here = attached.get(level.name, ())
            if not self.hierarchy.shows(HIERARCHICAL, level) or "" in attached or len(here) > 1:
                made.append(None)
            made += [_tier(each.values["rules"], machine) for each in here]
        return made

    def _of_network(self, row: SeenRow, machine: Machine) -> Sequence[Tier]:
        told = _told(row)
        if told is None:
            return self._attached_to(GLOBAL, row, machine, "")
        own = sorted((each for each in told if each.get("type") == "NETWORK"), key=lambda each: int(each.get("priority", USUAL)))
        return [_tier(each.get("rules", []), machine) for each in own]

    def _attached_to(self, table: str, row: SeenRow, machine: Machine, region: str) -> Sequence[Tier]:
        if self.seen.dark(table, row.target) or any(each.target == row.target for each in self.policies[table].get("", ())):
            return (None,)
        found = self.policies[table].get(str(row.values["id"]), ())
        if table == REGIONAL and any(each.values["place"] is None for each in found):
            return (None,)
        here = [each for each in found if table == GLOBAL or _region(each) == region]
        # of several the priority of their associations decides, which is not read
        return (None,) if len(here) > 1 else [_tier(each.values["rules"], machine) for each in here]

    def regions(self, network: str) -> Sequence[str]:
        """Regions where a policy of their own is attached to a network, and one for all others."""
        found = {_region(each) for each in self.policies[REGIONAL].get(network, ())}
        return ["", *sorted(found - {""})]

    def machines(self, network: str) -> Sequence[Machine]:
        """A machine that no rule names, and one for each tag and account that a rule lets something in to."""
        opening = [row.values for row in self.rules.get(network, ()) if _may_open(row.values)]
        tags = {each for rule in opening for each in rule["target_tags"] or ()}
        accounts = {each for rule in opening for each in rule["target_accounts"] or ()}
        accounts |= set(self._named_accounts(network))
        named = [Machine(frozenset({each}), frozenset(), network) for each in sorted(tags)]
        named += [Machine(frozenset(), frozenset({each}), network) for each in sorted(accounts)]
        return [Machine(frozenset(), frozenset(), network), *named]

    def _named_accounts(self, network: str) -> Iterator[str]:
        """The accounts that rules of policies name."""
        listed = [each.get("rules") for each in _told(self.networks[network]) or ()]
        listed += [row.values["rules"] for found in self.policies.values() for rows in found.values() for row in rows]
        for rules in listed:
            for rule in rules if isinstance(rules, list) else ():
                named = rule.get("targetServiceAccounts") if isinstance(rule, Mapping) else None
                yield from map(str, named if isinstance(named, list) else ())


def _told(row: SeenRow) -> Sequence[Mapping[str, Any]] | None:
    """The policies that hold for a network as it tells itself; None where it does not, or not as the API writes it."""
    told = row.values["effective"]
    return told if isinstance(told, list) and all(map(_is_policy, told)) else None


def _is_policy(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    return isinstance(value.get("type", ""), str) and str(value.get("priority", USUAL)).isdigit()


def _may_open(rule: Mapping[str, Any]) -> bool:
    """Whether a rule may let in somebody of the internet."""
    if rule["allowed"] == [] or rule["is_disabled"] or rule["direction"] == "EGRESS":
        return False
    try:
        return not rule["source_ranges"] or not addresses(rule["source_ranges"]).within(PUBLIC).is_empty
    except ValueError:
        return True


def network_exposure(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each VPC network: what the world would reach on some machine in it that has an external address."""
    networks = _Networks(seen)
    for row in seen.rows(NETWORK):
        network = str(row.values["id"])
        found: list[Any] = []
        for machine in networks.machines(network) if network in networks.networks else ():
            for region in networks.regions(network):
                found += networks.pieces(network, machine, region)
        found = [*gathered(found or pieces_of((None,)))]
        carried = {name: row.values[name] for name in ("name", "project")}
        facts = (row.fact, *(each.fact for each in networks.rules.get(network, ())))
        yield MadeRow(row.target, row.region, row.key, {**carried, **_opened(found)}, tuple(dict.fromkeys(facts)))


def interface_exposure(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each interface that has an external address, or may have: what the world reaches of it."""
    networks = _Networks(seen)
    for row in seen.rows(INTERFACE):
        address, address6 = row.values["has_address"], row.values["has_address6"]
        is_outside = either(address, address6)
        if is_outside is False:
            continue
        network = row.values["network"]
        machine = Machine(_set(row.values["tags"]), _set(row.values["accounts"]), network or "")
        opened = networks.opened(machine, _place(str(row.values["machine_id"] or "")), address, address6)
        carried = {name: row.values[name] for name in ("machine", "project", "name", "network", "is_node")}
        facts = (row.fact, *(each.fact for each in networks.rules.get(network or "", ())))
        yield MadeRow(row.target, row.region, row.key, {**carried, "has_address": is_outside, **opened}, tuple(dict.fromkeys(facts)))


def _families(address: Truth, address6: Truth) -> Through:
    """The addresses that can come, of the kinds that an interface has itself."""
    least = Addresses(EVERYWHERE.ipv4 if address else (), EVERYWHERE.ipv6 if address6 else ())
    most = Addresses(EVERYWHERE.ipv4 if address is not False else (), EVERYWHERE.ipv6 if address6 is not False else ())
    return Through(least, most)


def _set(found: Sequence[str] | None) -> frozenset[str] | None:
    return None if found is None else frozenset(found)


def _tier(said: Json, machine: Machine) -> Tier:
    """The rules of a policy; None for what is none."""
    if not isinstance(said, list):
        return None
    rules: list[Rule | None] = []
    for each in said:
        try:
            rules.append(policy_rule(each, machine))
        except (AttributeError, KeyError, TypeError, ValueError):
            rules.append(UNREAD_RULE)
    return ordered(rules)


def _relative(url: str) -> str:
    """A target as it is called without its host: organizations/9, projects/P/global/networks/N."""
    for word in ("projects/", "folders/", "organizations/"):
        _, found, rest = url.partition(word)
        if found:
            return f"{found}{rest}"
    return url


def _region(row: SeenRow) -> str:
    return str(row.values["place"] or "").rpartition("/")[2]


def _place(machine: str) -> str:
    """The region of a machine, by its zone; nothing where that was not read."""
    zone = machine.partition("/zones/")[2].partition("/")[0]
    return zone.rpartition("-")[0]


def _opened(pieces: Pieces) -> Row:
    made, administers = opened_by(pieces)
    return {**made, "opens_ssh_or_rdp": administers}
