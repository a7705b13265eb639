"""Services and ingresses as doors: whether strangers reach them, and what answers behind, by the ports and programs of their pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnamm_scan.model import MadeRow, Reason
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.kubernetes.policies.network.balancers import admitted, is_internal
from cnamm_scan.providers.openness import Openness, addresses, judge
from cnamm_scan.providers.ports import HABITS, LISTS, WEB, lists_of, ports, written
from cnamm_scan.providers.programs import PROGRAM_LISTS, lists_of_image, lists_of_name
from cnamm_scan.providers.truths import Truth

SERVICE, POD = "kubernetes.core.service", "kubernetes.core.pod"
INGRESS = "kubernetes.networking.ingress"
_HABITS = HABITS.joined(written("5555-5557 5601 8086 8200 9093 9097 50000"))
"""Beside the habits of all providers those of Jenkins's agents, of what watches queues, of web applications beside each other, and numbers
that two programs share: Kibana, Elastic's APM and Vault, Alertmanager and Tekton's dashboard with Kafka."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What answers behind a service: lists of ports.py of which something certainly is, and may be. `is_whole`: nothing is missing."""

    sure: frozenset[str]
    maybe: frozenset[str]
    numbers: tuple[int, ...]
    programs: frozenset[str] | None
    """None where some may be missing."""
    is_whole: bool

    def opens(self) -> dict[str, Any]:
        """The columns of the lists of which a port is opened."""
        made: dict[str, Any] = {
            f"opens_{name}": True if name in self.sure else False if self.is_whole and name not in self.maybe else None for name in LISTS
        }
        return {**made, "lists": sorted(self.sure)}


NOTHING = Behind(frozenset(), frozenset(), (), frozenset(), is_whole=True)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The pods behind a service. `is_whole`: there are no others. `is_hidden`: the scan should have seen more, and could not."""

    rows: tuple[SeenRow, ...]
    is_whole: bool
    is_hidden: bool = False

    def numbers(self, name: str, protocol: str) -> tuple[set[int], bool]:
        """The numbers that a port's name has in them, and whether that is all of them."""
        listed = [row.values["named_ports"] for row in self.rows]
        held = [each for every in listed if isinstance(every, list) for each in every]
        found = {each["containerPort"] for each in held if isinstance(each, Mapping) and _is(each, name, protocol)}
        return found, self.is_whole and None not in listed

    def programs(self, numbers: set[int]) -> tuple[set[str], set[str], bool]:
        """(images that answer on one of these ports, images that may since nobody names the port, whether these are all)."""
        sure: set[str] = set()
        maybe: set[str] = set()
        listed = [row.values["listeners"] for row in self.rows]
        for every in listed:
            held = [each for each in _list(every) if isinstance(each, Mapping)]
            named = [each for each in held if numbers & set(_list(each.get("ports")))]
            silent = [] if named else [each for each in held if not each.get("ports")]  # who names none may listen on any
            sure |= {str(each.get("image")) for each in named or silent if named or len(silent) == 1}
            maybe |= {str(each.get("image")) for each in silent if len(silent) > 1}
        return sure, maybe, self.is_whole and None not in listed


@dataclass
class Pods:
    """The pods of services, looked up only where one is asked for."""

    seen: SeenTables
    _by_space: dict[tuple[str, str | None], list[SeenRow]] | None = None

    def behind(self, row: SeenRow) -> Chosen:
        """The pods that a service picks; none are known of one that picks none by itself, since its addresses are written by hand."""
        if self._by_space is None:
            self._by_space = {}
            for group in self.seen.groups(POD):  # the pods of a template have the same labels and ports
                self._by_space.setdefault((group.first.target, group.first.values["namespace"]), []).append(group.first)
        selector = _mapping(row.values["selector"])
        if not selector:
            return Chosen((), is_whole=False, is_hidden=selector is None)  # one that was not read may pick any
        near = self._by_space.get((row.target, row.values["namespace"]), ())
        labels = [(each, _mapping(each.values["labels"])) for each in near]
        rows = tuple(each for each, worn in labels if worn is not None and selector.items() <= worn.items())
        hidden = bool(self.seen.why(POD, row.target) - {Reason.NOT_IN_MANIFESTS.value})
        # pods that were found speak for those of the same selector that were not
        whole = all(worn is not None for _, worn in labels) and bool(rows or not self.seen.dark(POD, row.target))
        return Chosen(rows, whole, is_hidden=(not whole and hidden) or None in [worn for _, worn in labels])


def _is(port: Mapping[str, Any], name: str, protocol: str) -> bool:
    return (
        port.get("name") == name and str(port.get("protocol") or "TCP").lower() == protocol and isinstance(port.get("containerPort"), int)
    )


def behind(row: SeenRow, pods: Pods, only: Any = None, *, by_port: bool = False) -> Behind:
    """What answers behind a service: told by the ports of its pods, what these are called, and their programs.

    `only`: the one of its ports, by number or name. `by_port`: callers use its own ports, as those of a load balancer do, so these tell
    too; a node's port and an ingress are called by another number. What ordinary web applications listen on by habit tells nothing alone.
    """
    values = row.values
    if not isinstance(values["port_specs"], list):
        return Behind(frozenset(), frozenset(), (), None, is_whole=False)
    chosen = pods.behind(row)
    sure: set[str] = set()
    maybe: set[str] = set()
    numbers: set[int] = set()
    programs: set[str] = set()
    whole = told_all = True
    for each in values["port_specs"]:
        if not isinstance(each, Mapping) or not isinstance(each.get("port"), int):
            whole = False
            continue
        if only is not None and only not in (each["port"], each.get("name")):
            continue
        protocol, target = str(each.get("protocol") or "TCP").lower(), each.get("targetPort")
        if isinstance(target, int) or str(target or "").isdigit():
            asked, is_known = {int(str(target)) or each["port"]}, True
        elif target:
            asked, is_known = chosen.numbers(str(target), protocol)
        else:
            asked, is_known = {each["port"]}, True
        answering, possible, are_known = chosen.programs(asked)
        told = {name for image in answering for name in lists_of_image(image)}
        told |= lists_of_name(str(target or "")) | lists_of_name(str(each.get("name") or ""))
        heard = asked | ({each["port"]} if by_port else set())
        opened = [ports(protocol, number, number) for number in heard]
        certain = {name for one in opened for name in lists_of(one.without(_HABITS))}
        sure |= told | certain
        maybe |= {name for image in possible for name in lists_of_image(image)}
        is_unseen = chosen.is_hidden or bool(chosen.rows and not are_known)
        if is_unseen:
            maybe |= PROGRAM_LISTS  # an image that nobody saw may be of any
        if not are_known or possible or not chosen.rows:
            maybe |= {name for one in opened for name in lists_of(one)} - certain
        numbers |= heard
        programs |= answering | possible
        whole, told_all = whole and is_known, told_all and is_known and not is_unseen
    named = frozenset(programs) if told_all else None
    return Behind(frozenset(sure), frozenset(maybe - sure), tuple(sorted(numbers)), named, whole)


def _held(row: SeenRow, pods: Pods) -> Behind:
    """What answers behind a service that callers come to: by its own ports, unless they come to a port of the node."""
    kind, external = row.values["type"], row.values["external_ips"]
    comes_by_port, comes_by_node = bool(external) or kind not in ("NodePort", None), kind is not None and external is not None
    if comes_by_port or comes_by_node:
        return behind(row, pods, by_port=comes_by_port)
    by_port, by_node = behind(row, pods, by_port=True), behind(row, pods, by_port=False)
    sure = by_port.sure & by_node.sure
    maybe = (by_port.sure | by_port.maybe | by_node.sure | by_node.maybe) - sure
    return replace(by_node, sure=sure, maybe=maybe, is_whole=by_node.is_whole and by_port.numbers == by_node.numbers)


def service_doors(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each service."""
    pods = Pods(seen)
    for row in seen.rows(SERVICE):
        values = row.values
        kind, external, told = values["type"], values["external_ips"], _mapping(values["annotations"])
        given = [each for each in _list(values["addresses"]) if isinstance(each, Mapping)]
        inside = is_internal(told, values["load_balancer_class"], given) if kind in ("LoadBalancer", None) else False
        lets_in = admitted(values["source_ranges"], told) if kind == "LoadBalancer" else None
        held = _held(row, pods) if values["is_exposed"] is not False else NOTHING
        made: dict[str, Any] = {
            **{name: values[name] for name in ("namespace", "name", "labels", "is_system", "type", "selector", "source_ranges")},
            **{name: values[name] for name in ("external_ips", "is_exposed")},
            "ports": values["ports"],
            "protocols": _protocols(values["port_specs"]),
            "target_ports": None if not held.is_whole else list(map(str, held.numbers)),
            "is_web": None if not held.is_whole else all(not ports("tcp", each, each).without(WEB).tcp for each in held.numbers),
            "programs": None if held.programs is None else sorted(held.programs),
            "is_internal": inside,
            "admitted": None if lets_in is None else lets_in.value,
            "is_public": _is_public(kind, external, inside, lets_in),
            **held.opens(),
        }
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _protocols(specs: Any) -> list[str] | None:
    """What its ports speak; TCP where they do not say."""
    if not isinstance(specs, list):
        return None
    return sorted({str(each.get("protocol") or "TCP") for each in specs if isinstance(each, Mapping)})


def _is_public(kind: str | None, external: list[str] | None, inside: Truth, lets_in: Openness | None) -> Truth:
    answers: list[Truth] = [None if external is None else _any_public(external)]
    if kind == "NodePort":
        answers.append(True)
    elif kind == "LoadBalancer":
        world = None if lets_in is None else lets_in is Openness.WORLD
        answers.append(False if inside or world is False else None if inside is None or world is None else True)
    elif kind is None:
        answers.append(None)
    return True if True in answers else None if None in answers else False


def _any_public(external: Iterable[str]) -> bool:
    """Whether one of the addresses is not a private one."""
    for each in external:
        try:
            if judge(addresses([each])) is not Openness.PRIVATE:
                return True
        except ValueError:
            return True
    return False


def ingress_ports(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each service that an ingress leads to, with the ports behind it."""
    pods = Pods(seen)
    services = {(row.target, row.values["namespace"], row.values["name"]): row for row in seen.rows(SERVICE)}
    for row in seen.rows(INGRESS):
        values = row.values
        if None in (values["rules"], values["backend"]):  # one row for whatever it leads to besides
            yield MadeRow(row.target, row.region, row.key, {"namespace": values["namespace"], "ingress": values["name"]}, (row.fact,))
        for service, asked in sorted(_backends(values).items()):
            found = services.get((row.target, values["namespace"], service))
            made: dict[str, Any] = {
                **{name: values[name] for name in ("namespace", "is_system")},
                "ingress": values["name"],
                "service": service,
                "addresses": None if None in (values["rules"], values["backend"]) else _addresses(values, service),
            }
            if found is not None:
                held = _joined([behind(found, pods, only) for only in asked])
            elif seen.dark(SERVICE, row.target):
                named = {port for port in asked if isinstance(port, int)}
                lists = frozenset(name for port in named for name in lists_of(ports("tcp", port, port).without(_HABITS)))
                held = Behind(lists, frozenset(), tuple(sorted(named)), None, is_whole=False)
            else:
                held = NOTHING  # leads nowhere
            facts = (row.fact,) if found is None else (row.fact, found.fact)
            made |= {"ports": None if not held.is_whole else list(map(str, held.numbers)), **held.opens()}
            yield MadeRow(row.target, row.region, f"{row.key} {service}", made, facts)


def _joined(each: Sequence[Behind]) -> Behind:
    sure = frozenset(name for one in each for name in one.sure)
    maybe = frozenset(name for one in each for name in one.maybe) - sure
    numbers = {number for one in each for number in one.numbers}
    return Behind(sure, maybe, tuple(sorted(numbers)), None, all(one.is_whole for one in each))


def _backends(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Service -> its ports that an ingress leads to, by number or name."""
    made: dict[str, list[Any]] = {}
    for _, backend in _written(values):
        service = _service(backend)
        if service.get("name"):
            port = _mapping(service.get("port")) or {}
            made.setdefault(str(service["name"]), []).append(port.get("number") or port.get("name"))
    return made


def _addresses(values: Mapping[str, Any], service: str) -> list[str]:
    return sorted({address for address, backend in _written(values) if _service(backend).get("name") == service})


def _service(backend: Any) -> Mapping[str, Any]:
    return _mapping((_mapping(backend) or {}).get("service")) or {}


def _written(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The host and path of each backend, and the backend."""
    yield "*", values["backend"]
    for rule in _list(values["rules"]):
        asked = _mapping(rule) or {}
        for each in _list((_mapping(asked.get("http")) or {}).get("paths")):
            path = _mapping(each) or {}
            yield f"{asked.get('host') or '*'}{path.get('path') or '/'}", path.get("backend")


def _mapping(value: Any) -> Mapping[str, Any] | None:
    """What is a mapping; None for what is not, as for what was not seen."""
    return value if isinstance(value, Mapping) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
