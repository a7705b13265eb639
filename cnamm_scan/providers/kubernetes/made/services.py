"""Services and ingresses as doors: whether strangers reach them, and which ports stand behind, those of pods looked up by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.kubernetes.policies.network.balancers import admitted, is_internal
from cnamm_scan.providers.openness import Openness, addresses, judge
from cnamm_scan.providers.ports import HABITS, LISTS, NO_PORTS, Ports, joined, lists_of, ports

SERVICE, POD = "kubernetes.core.service", "kubernetes.core.pod"
INGRESS = "kubernetes.networking.ingress"
Truth = bool | None


@dataclass(frozen=True, slots=True)
class Behind:
    """Ports of a service and of the pods behind it. `is_whole`: none is missing."""

    ports: Ports
    numbers: tuple[int, ...]
    is_whole: bool

    def opens(self) -> dict[str, Any]:
        """The columns of the lists of which a port is opened."""
        found = lists_of(self.ports)
        made: dict[str, Any] = {f"opens_{name}": True if name in found else False if self.is_whole else None for name in LISTS}
        return {**made, "lists": sorted(found)}


@dataclass
class Pods:
    """Ports of containers by name, looked up only where a service names one."""

    seen: SeenTables
    _by_space: dict[tuple[str, str | None], list[SeenRow]] | None = None

    def numbers(self, target: str, namespace: str, selector: Mapping[str, str] | None, name: str, protocol: str) -> tuple[set[int], bool]:
        """The numbers that a name has in the pods that a selector picks, and whether that is all of them."""
        if self._by_space is None:
            self._by_space = {}
            for group in self.seen.groups(POD):  # the pods of a template have the same labels and ports
                self._by_space.setdefault((group.first.target, group.first.values["namespace"]), []).append(group.first)
        if selector is None:
            return set(), False
        found: set[int] = set()
        whole = True
        for row in self._by_space.get((target, namespace), ()):
            labels, listed = _mapping(row.values["labels"]), row.values["named_ports"]
            if labels is None:
                whole = False
            elif selector.items() <= labels.items():
                if not isinstance(listed, list):
                    whole = False
                else:
                    found |= {each["containerPort"] for each in listed if isinstance(each, Mapping) and _is(each, name, protocol)}
        return found, whole and bool(found or not self.seen.dark(POD, target))  # where no pod has the name, nothing stands behind it


def _is(port: Mapping[str, Any], name: str, protocol: str) -> bool:
    return (
        port.get("name") == name and str(port.get("protocol") or "TCP").lower() == protocol and isinstance(port.get("containerPort"), int)
    )


def behind(row: SeenRow, pods: Pods, only: Any = None) -> Behind:
    """What stands behind a service: its own ports too, since callers see those. `only`: the one of its ports, by number or name."""
    values = row.values
    if not isinstance(values["port_specs"], list):
        return Behind(NO_PORTS, (), is_whole=False)
    made: list[Ports] = [NO_PORTS]
    numbers: set[int] = set()
    whole = True
    for each in values["port_specs"]:
        if not isinstance(each, Mapping) or not isinstance(each.get("port"), int):
            whole = False
            continue
        if only is not None and only not in (each["port"], each.get("name")):
            continue
        protocol, target = str(each.get("protocol") or "TCP").lower(), each.get("targetPort")
        found = {each["port"]}
        if isinstance(target, int) or str(target or "").isdigit():
            found |= {int(str(target))} - {0}
        elif target:
            named, all_of_them = pods.numbers(row.target, str(values["namespace"]), _mapping(values["selector"]), str(target), protocol)
            found, whole = found | named, whole and all_of_them
        numbers |= found
        made += [ports(protocol, number, number).without(NO_PORTS if number == each["port"] else HABITS) for number in found]
    return Behind(joined(made), tuple(sorted(numbers)), whole)


def service_doors(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each service."""
    pods = Pods(seen)
    for row in seen.rows(SERVICE):
        values = row.values
        kind, external, told = values["type"], values["external_ips"], _mapping(values["annotations"])
        given = [each for each in _list(values["addresses"]) if isinstance(each, Mapping)]
        inside = is_internal(told, values["load_balancer_class"], given) if kind in ("LoadBalancer", None) else False
        lets_in = admitted(values["source_ranges"], told) if kind == "LoadBalancer" else None
        held = behind(row, pods) if values["is_exposed"] is not False else Behind(NO_PORTS, (), is_whole=True)
        made: dict[str, Any] = {
            **{name: values[name] for name in ("namespace", "name", "labels", "is_system", "type", "selector", "source_ranges")},
            **{name: values[name] for name in ("external_ips", "is_exposed")},
            "ports": values["ports"],
            "target_ports": None if not held.is_whole else list(map(str, held.numbers)),
            "is_internal": inside,
            "admitted": None if lets_in is None else lets_in.value,
            "is_public": _is_public(kind, external, inside, lets_in),
            **held.opens(),
        }
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


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
            }
            if found is None:
                held = Behind(NO_PORTS, (), is_whole=True)  # leads nowhere
                if seen.dark(SERVICE, row.target):
                    named = [port for port in asked if isinstance(port, int)]
                    held = Behind(joined([NO_PORTS, *(ports("tcp", port, port) for port in named)]), tuple(sorted(named)), is_whole=False)
            else:
                each = [behind(found, pods, only) for only in asked]
                every = {number for one in each for number in one.numbers}
                held = Behind(joined([NO_PORTS, *(one.ports for one in each)]), tuple(sorted(every)), all(one.is_whole for one in each))
            facts = (row.fact,) if found is None else (row.fact, found.fact)
            made |= {"ports": None if not held.is_whole else list(map(str, held.numbers)), **held.opens()}
            yield MadeRow(row.target, row.region, f"{row.key} {service}", made, facts)


def _backends(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Service -> its ports that an ingress leads to, by number or name."""
    made: dict[str, list[Any]] = {}
    for backend in _written(values):
        service = backend.get("service") if isinstance(backend, Mapping) else None
        if isinstance(service, Mapping) and service.get("name"):
            port = _mapping(service.get("port")) or {}
            made.setdefault(str(service["name"]), []).append(port.get("number") or port.get("name"))
    return made


def _written(values: Mapping[str, Any]) -> Iterator[Any]:
    yield values["backend"]
    for rule in _list(values["rules"]):
        for path in _list((_mapping((_mapping(rule) or {}).get("http")) or {}).get("paths")):
            yield (_mapping(path) or {}).get("backend")


def _mapping(value: Any) -> Mapping[str, Any] | None:
    """What is a mapping; None for what is not, as for what was not seen."""
    return value if isinstance(value, Mapping) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
