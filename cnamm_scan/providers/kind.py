"""What a wing says of itself, without its SDK: the shape of every `kind.py`, and the options by which targets are reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnamm_scan.model import Call, Table
from cnamm_scan.providers.rights import Rights

if TYPE_CHECKING:
    from cnamm_scan.providers.interface import Maker, Provider

Json = Any
Operations = Mapping[str, frozenset[str]]
"""Client -> the operations of it that will be asked."""


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that a person may say about reaching targets of a kind: `--role-arn ARN`."""

    name: str
    """As Python says it: `role_arn`."""
    flag: str
    """As the command line says it."""
    help: str
    metavar: str = ""
    """What follows the flag; empty for one that stands alone."""
    many: bool = False
    """Whether it may be repeated: the value is then a tuple."""
    environment: str | None = None
    """The variable that says the same."""
    opts_in: str | None = None
    """What is read only because this was said: a collector's `opt_in:`."""
    problem: Callable[[str], tuple[str, str] | None] | None = None
    """What is wrong with how a value is written: (what, what to do). It is asked before anything else is."""
    beside: str = ""
    """The name of the option without which it says nothing."""
    replaced_by: tuple[str, ...] = ()
    """Names of options that, where all of them are said, say all that this one does, and differently: it then does nothing."""
    means: Callable[[str], bool] | None = None
    """Whether it says something about a target, by what follows the colon of its TARGET; None: about each."""

    @property
    def unsaid(self) -> Any:
        """Its value when nobody says anything."""
        return () if self.many else None if self.metavar else False


@dataclass(frozen=True, slots=True)
class Reached:
    """How targets of one kind are reached: what was said of its options, and what all kinds have."""

    said: Mapping[str, Any]
    """Every option of the kind, by its name."""
    call_timeout: float = 20.0
    """Seconds to wait for one answer."""
    connections: int = 16
    operations: Operations | None = None
    """The operations that will be asked: an SDK then loads the description of no others. None: any."""


Connect = Callable[[str, Reached], "Provider"]


@dataclass(frozen=True, slots=True)
class Pace:
    """A quota that a provider keeps for itself: calls beyond it wait."""

    what: str
    """The calls that it is of, in words: listings of Asset Inventory."""
    a_minute: int
    counts: Callable[[str], bool]
    """Whether it is of the calls of a client."""
    pages: str = ""
    """What takes another call: each 1,000 assets of a type."""
    together: int = 1
    """How many of them may be one call, where there is little of each."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of target."""

    name: str
    """What a TARGET begins with."""
    label: str
    """Its name as people write it."""
    noun: str
    """What one target is: an account, a cluster."""
    targets: str
    """How its targets are named, in the words of a help text: `aws (default credentials) or aws:PROFILE`."""
    connect: Connect
    """(what follows the colon of a TARGET, how it is reached) -> a connected provider. Raises CnammError."""
    rights: Rights
    options: tuple[Option, ...] = ()
    normalisers: Mapping[str, Callable[[Json], Json]] = field(default_factory=dict)
    """What `normalise:` of a collector may name."""
    secret_keys: frozenset[str] = frozenset()
    """Keys of its documents, in whatever case, under which people keep what only two sides may know: the values are never stored."""
    documents: frozenset[str] = frozenset()
    """Which of them make a document: something that is evaluated by a function of the wing and whose text no pattern may look at."""
    document_keys: frozenset[str] = frozenset()
    """Names of fields, in lower case, under which a document stands even where nobody brought it into a form."""
    readers: frozenset[str] = frozenset()
    """What `read:` of a collector may name."""
    makers: Mapping[str, Maker] = field(default_factory=dict)
    """What `made: {by: …}` of a view may name: functions over collected tables, which load what they need when they are called."""
    region_table: str | None = None
    """The engine-made table with one row a region; None where a target has no regions."""
    region_about: str = ""
    standing: frozenset[str] = frozenset()
    """Tables and views with a row in every target, also in an empty one, besides those whose listing is one answer (`items: '@'`): that a
    rule applies to these says nothing of what is in the target."""
    needs: Callable[[Call, str], tuple[str, ...]] | None = None
    """The rights of a call of a client, where they follow from its name; None where a collector must name them."""
    call_problem: Callable[[Call, str], tuple[str, str] | None] | None = None
    """What is wrong with how a call or its client is written: (what, what to do)."""
    product: Callable[[Table], str] | None = None
    """Whose objects a table holds: the product that must be installed, or nothing where they are the platform's own."""
    fields: frozenset[str] = frozenset()
    """Fields that each of its objects has: a key may be made of these, of what columns read and of parts. Empty: an SDK knows better."""
    name_problem: Callable[[str], tuple[str, str] | None] = lambda name: None
    """What is wrong with what follows the colon of a TARGET, as it is written: (what, what to do)."""
    is_asked: Callable[[str], bool] = lambda name: True
    """Whether a target is asked over a network, by what follows the colon of its TARGET."""
    pace: Pace | None = None
    """How many calls there may be in a minute, where that decides how long a scan takes."""
    command_line: str = ""
    """What the vendor's commands begin with."""
    enabling: str = "enable the service for the account, if it is in use"
    """What turns on an API or a service that is off, in the vendor's words, as a person is told to do it."""
    lacking: str = "not in use"
    """What is said of a kind of object that a target answers it has none of, and cannot have."""
    region_flag: str = ""
    """How one of them is told its region."""
    owners_named_by: Mapping[str, str] = field(default_factory=dict)
    """Tables whose tags or labels say who answers for other resources too, each with a pattern that finds its key in theirs."""
    recognisers: frozenset[str] = frozenset()
    """Views that know products by their names. What they do not know is not in them, and may be there all the same."""

    @property
    def opt_ins(self) -> Mapping[str, str]:
        """What is read only when it is asked for -> the option that asks for it."""
        return {option.opts_in: option.flag for option in self.options if option.opts_in}
