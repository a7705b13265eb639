"""The kinds of target that there are: adding a provider adds a folder and one line here. The rest of the house names no provider."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import Column
from cnamm_scan.providers.aws.kind import KIND as AWS
from cnamm_scan.providers.azure.kind import KIND as AZURE
from cnamm_scan.providers.gcp.kind import KIND as GCP
from cnamm_scan.providers.kind import Kind, Operations, Option, Reached
from cnamm_scan.providers.kubernetes.kind import KIND as KUBERNETES

if TYPE_CHECKING:
    from cnamm_scan.providers.interface import Maker, Provider

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (AWS, AZURE, GCP, KUBERNETES)}

REGION_COLUMNS: Mapping[str, Column] = {
    "name": Column("text", "name"),
    "state": Column("text", "state", about="enabled or opt_in_off; unknown when regions could not be listed."),
    "seen": Column("text", "seen", about="listed, excluded, denied, unreachable or off."),
    "opt_in": Column("text", "opt_in", absent="", about="The region's opt-in status as the API gives it."),
}


@dataclass(frozen=True, init=False)
class TargetOptions:
    """How targets are reached: `TargetOptions(role_arn=…, namespaces=("shop",))`, each provider's options by their names.

    Raises UsageError for a name that no provider knows.
    """

    named: Mapping[str, Any]
    call_timeout: float
    """Seconds to wait for one answer."""
    connections: int
    by_environment: frozenset[str] = field(compare=False)
    """Which of the named were said by an environment variable: that is for other commands too, and may say nothing about the targets."""

    def __init__(self, *, call_timeout: float = 20.0, connections: int = 16, by_environment: Collection[str] = (), **named: Any) -> None:
        known = {option.name for option in options()}
        for name in named:
            if name not in known:
                raise UsageError(f"no option '{name}'", do=did_you_mean(name, known))
        object.__setattr__(self, "named", named)
        object.__setattr__(self, "call_timeout", call_timeout)
        object.__setattr__(self, "connections", connections)
        object.__setattr__(self, "by_environment", frozenset(by_environment))

    @property
    def said(self) -> Mapping[str, Any]:
        """The options that somebody said something with."""
        unsaid = {option.name: option.unsaid for option in options()}
        return {name: value for name, value in self.named.items() if value != unsaid.get(name)}

    @property
    def opted(self) -> frozenset[str]:
        """What is read because somebody asked for it."""
        return frozenset(option.opts_in for option in options() if option.opts_in and self.named.get(option.name))


def options() -> list[Option]:
    """Every option of every kind, in order, each flag once."""
    return list({option.flag: option for kind in KINDS.values() for option in kind.options}.values())


def owners(flag: str) -> list[str]:
    """The providers that know an option."""
    return [kind.name for kind in KINDS.values() if any(option.flag == flag for option in kind.options)]


def kind_of(spec: str) -> Kind:
    """The kind that a TARGET names. Raises UsageError with the nearest name, or for what no target of that kind is called."""
    name, _, rest = spec.partition(":")
    if name not in KINDS:
        raise UsageError(f"no provider '{name}'", where=spec, do=did_you_mean(name, KINDS))
    problem = KINDS[name].name_problem(rest)
    if problem is not None:
        raise UsageError(problem[0], where=spec, do=problem[1])
    return KINDS[name]


def refuse_foreign(specs: Sequence[str], reached: TargetOptions, regions: Sequence[str] = ()) -> None:
    """Raise UsageError for an option that no named target's provider knows, or that is no such thing: nobody would be told of it."""
    kinds = {kind.name: kind for kind in map(kind_of, specs)}
    if regions and not any(kind.region_table for kind in kinds.values()):
        others = " or ".join(kind.name for kind in KINDS.values() if kind.region_table)
        raise UsageError(
            f"--region says nothing about {' and '.join(kinds)}",
            where="--region",
            do=f"leave it out, and every location is read; or scan a target of {others}",
        )
    meant = reached.said.keys() - reached.by_environment
    known = {option.name for kind in kinds.values() for option in kind.options}
    for option in options():
        if option.name in meant and option.name not in known:
            raise UsageError(
                f"{option.flag} says nothing about {' and '.join(kinds)}",
                where=option.flag,
                do=f"leave it out, or scan a target of {' or '.join(owners(option.flag))}",
            )
    for kind in kinds.values():
        for option in kind.options:
            _refuse_malformed(option, reached.said.get(option.name))
            if option.name in meant:
                _refuse_alone(kind, option, reached, [spec.partition(":")[2] for spec in specs if kind_of(spec) is kind])


def _refuse_alone(kind: Kind, option: Option, reached: TargetOptions, names: Sequence[str]) -> None:
    """Raise UsageError for an option that says nothing without another, or about none of a kind's targets."""
    if option.beside and option.beside not in reached.said:
        beside = next(each.flag for each in kind.options if each.name == option.beside)
        raise UsageError(f"{option.flag} does nothing without {beside}", where=option.flag, do=f"add {beside}, or leave it out")
    if option.replaced_by and set(option.replaced_by) <= set(reached.said):
        others = " and ".join(_called(each) for each in kind.options if each.name in option.replaced_by)
        raise UsageError(f"{option.flag} does nothing beside {others}", where=option.flag, do="leave it out, or one of them")
    if option.means is not None and not any(map(option.means, names)):
        targets = ", ".join(f"{kind.name}:{name}" for name in names)
        raise UsageError(f"{option.flag} says nothing about {targets}", where=option.flag, do="leave it out")


def _called(option: Option) -> str:
    """Every way in which an option is said."""
    return f"{option.flag} or {option.environment}" if option.environment else option.flag


def is_asked(spec: str) -> bool:
    """Whether a TARGET is asked over a network."""
    return kind_of(spec).is_asked(spec.partition(":")[2])


def _refuse_malformed(option: Option, said: Any) -> None:
    """Raise UsageError for a value that cannot be meant, before anything is asked with it."""
    if option.problem is None or said is None:
        return
    for value in said if option.many else (said,):
        found = option.problem(value)
        if found is not None:
            raise UsageError(found[0], where=_called(option), do=found[1])


def connect(spec: str, reached: TargetOptions, operations: Operations | None = None) -> Provider:
    """Open a TARGET such as `aws`, `aws:PROFILE` or `kubernetes:CONTEXT`. Raises CredentialsError, ProviderError or UsageError.

    `operations` are those that will be asked, by client: an SDK then loads the description of no others.
    """
    kind = kind_of(spec)
    said = {option.name: reached.named.get(option.name, option.unsaid) for option in kind.options}
    return kind.connect(spec.partition(":")[2], Reached(said, reached.call_timeout, reached.connections, operations))


def makers() -> dict[str, Maker]:
    """Every wing's functions that make tables, as `provider:name`."""
    return {f"{kind.name}:{name}": make for kind in KINDS.values() for name, make in kind.makers.items()}


def names() -> Sequence[str]:
    """The providers, as a TARGET may begin."""
    return tuple(KINDS)
