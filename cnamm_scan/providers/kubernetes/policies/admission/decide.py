"""Whether an offence is refused, all guards together: in every way, for every requester; or not, and then there is one who gets in.

Yes: whatever else stands in the object and whoever asks, one guard refuses. No: an object that does nothing else is let in by every guard.
Partly: it is refused, but in one place of the object, or for one name, label or requester that a guard makes an exception of, it is let in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from enum import Enum
from itertools import islice

from cnamm_scan.providers.kubernetes.policies.admission.pod_security import LABEL, VERSION, PodSecurity
from cnamm_scan.providers.kubernetes.policies.admission.questions import ALONE, QUESTIONS, Question, Variant, twisted
from cnamm_scan.providers.kubernetes.policies.admission.requests import ADMITS, CLUSTER, EITHER, REFUSES, Guard, Place, Request, Twist
from cnamm_scan.providers.kubernetes.policies.admission.values import Value, texts_in
from cnamm_scan.providers.wildcards import matches

TWISTS = 80
"""How many exceptions are tried before it is unknown whether there is one."""
_MEASURES = re.compile(
    r"(?i)\b(matches|size|split|substring|replace|length|truncate|lower\w*|upper\w*|char\w*|index\w*|last\w*|reverse|trim|join|format|regex\w*|to_\w+)\("
)
"""Functions that look at a name otherwise than by comparing it."""
_BY_NAME = "\ue000each by itself"
NEW = Place("qx7-made-tomorrow-x7q", {})
"""A namespace that nobody has named yet."""


_OF_PLACE = re.compile(r"(?i)namespace\w*\s*[.\[)!=|}]|[.?]namespace\w*")
"""An expression that looks at the namespace."""


def words_of(value: Value, keep: set[str]) -> None:
    """Put every text of one document into a set, and every word that stands in one: names of labels and of namespaces among them.

    Of a document that looks at namespaces in an expression, what stands in quotes goes in with the quotes: a name may begin or end with it.
    Where such a document uses a function that measures texts, each namespace is asked by itself.
    """
    found: list[str] = []
    texts_in(value, found.append)
    looks = any(_OF_PLACE.search(text) for text in found)
    if looks and any(_MEASURES.search(text) for text in found):
        keep.add(_BY_NAME)
    for text in found:
        keep.add(text)
        if not text.isalnum():
            for word in re.findall(r"[\w./*?-]+", text):
                keep.update((word, *word.split(".")))
        if looks:
            keep.update(f"'{quoted}'" for quoted in re.findall(r"['\"]([^'\"]+)['\"]", text))


class Answer(Enum):
    """Whether an offence is refused."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    UNKNOWN = "unknown"

    @property
    def as_bool(self) -> bool | None:
        """True only where nothing gets in; None for unknown."""
        return None if self is Answer.UNKNOWN else self is Answer.YES


class Door:
    """The guards of one cluster. What is asked of one namespace is worked out once for all that look alike to every guard.

    `words` are the texts of all that the guards were made of, see `words_of`. A namespace can only matter by labels whose names are among
    them, and by a name that one of them fits, or begins, ends or stands in; without them each namespace is asked by itself.
    """

    def __init__(self, guards: Sequence[Guard], words: Collection[str] | None = None) -> None:
        self._guards = tuple(guards)
        self._said: dict[tuple[object, ...], int] = {}
        self._applied: dict[tuple[object, ...], bool | None] = {}
        self._known: dict[tuple[object, ...], tuple[Answer, str]] = {}
        self._relevant: dict[tuple[object, ...], tuple[int, ...]] = {}
        self._words = None if words is None or _BY_NAME in words else frozenset(words)
        self._patterns = [each for each in self._words or () if ("*" in each or "?" in each) and each.strip("*?")]
        self._parts = [each[1:-1] for each in self._words or () if re.fullmatch(r"'[^']+'", each)]
        self._names = {LABEL, VERSION} | (self._words or frozenset())

    def refused(self, question: str, place: Place) -> Answer:
        """Whether an offence is refused in a namespace; of what belongs to none the place does not matter."""
        return self._asked(question, place)[0]

    def way_in(self, question: str, place: Place) -> str:
        """By which object an offence gets in, in a few words; empty where it is refused, or nothing is known to get in."""
        return self._asked(question, place)[1]

    def _asked(self, question: str, place: Place) -> tuple[Answer, str]:
        place = CLUSTER if question in ALONE else place
        key = (question, self.looks_like(place))
        if key not in self._known:
            self._known[key] = self._answer(QUESTIONS[question], place)
        return self._known[key]

    def looks_like(self, place: Place) -> tuple[object, ...]:
        """The same for two namespaces between which no guard makes a difference."""
        if self._words is None:
            return (place.name, repr(place.labels))
        fits = [each for each in self._patterns if matches(each, place.name)]
        labels = None
        if place.labels is not None:
            kept = [name for name in place.labels if name in self._names or any(matches(each, name) for each in self._patterns)]
            labels = tuple(sorted((name, place.labels[name]) for name in kept))
        within = [each for each in self._parts if each in place.name]
        stands = tuple(sorted((each, place.name.startswith(each), place.name.endswith(each)) for each in within))
        return (place.name if place.name in self._words else "", stands, tuple(fits), labels)

    def _looking(self, variant: Variant) -> tuple[int, ...]:
        """The guards that may look at such an object in some namespace."""
        request = variant.open
        shape = (request.group, request.resource, request.subresource, request.operation, request.kind)
        if shape not in self._relevant:
            every = replace(request, place=None)
            self._relevant[shape] = tuple(
                number for number, guard in enumerate(self._guards) if guard.applies(every) is not False or isinstance(guard, PodSecurity)
            )
        return self._relevant[shape]

    def _answer(self, question: Question, place: Place) -> tuple[Answer, str]:
        found = [self._variant(variant, place, (question.name, number)) for number, variant in enumerate(question.variants)]
        answers = [answer for answer, _ in found]
        if all(answer is Answer.YES for answer in answers):
            return Answer.YES, ""
        if Answer.NO in answers or Answer.PARTLY in answers:
            if all(answer is Answer.NO for answer in answers):
                return Answer.NO, "every one"
            ways = [
                f"{variant.how} {way}".strip()
                for variant, (answer, way) in zip(question.variants, found, strict=True)
                if answer in (Answer.NO, Answer.PARTLY)
            ]
            return Answer.PARTLY, ", ".join(dict.fromkeys(ways))
        return Answer.UNKNOWN, ""

    def _variant(self, variant: Variant, place: Place, key: tuple[object, ...]) -> tuple[Answer, str]:
        looking = self._looking(variant)
        if any(self._judge(number, variant.open.at(place), (*key, "open")) == REFUSES for number in looking):
            return Answer.YES, ""
        blocking = [number for number in looking if not self._lets_in(number, variant, variant.closed, place, key)]
        if not blocking:
            return Answer.NO, ""
        for twist in self._twists(blocking):
            if twist[0] == "image" and not variant.closed.offence:
                continue  # the image is the offence
            request, innocent = twisted(variant.closed, twist), twisted(variant.innocent, twist)
            if request is None or innocent is None:
                continue
            other = replace(variant, innocent=innocent)
            every = dict.fromkeys((*blocking, *looking))  # who is in the way is asked first
            if all(self._lets_in(number, other, request, place, (*key, repr(twist))) for number in every):
                return Answer.PARTLY, f"for {twist[0]} {'='.join(twist[1]) if isinstance(twist[1], tuple) else twist[1]}"
        return Answer.UNKNOWN, ""

    def _lets_in(self, number: int, variant: Variant, request: Request, place: Place, key: tuple[object, ...]) -> bool:
        """Whether a guard admits one object. What it refuses without the offence just so, it does not refuse for it."""
        if self._judge(number, request.at(place), (*key, "closed")) == ADMITS:
            return True
        return self._judge(number, variant.innocent.at(place), (*key, "innocent")) == REFUSES

    def _judge(self, number: int, request: Request, key: tuple[object, ...]) -> int:
        guard = self._guards[number]
        applies = self._applies(number, request, key)
        if applies is False:
            return ADMITS
        said = self._said.get((number, key), 0)
        if not said:
            said = self._said[number, key] = guard.says(request.at(None) if request.place != CLUSTER else request)
        if said == EITHER and guard.place_matters:
            said = guard.says(request)  # what is certain wherever it is needs no asking here
        return said if applies else said | ADMITS

    def _applies(self, number: int, request: Request, key: tuple[object, ...]) -> bool | None:
        """Whether a guard applies. All pods of the questions are called and labelled alike, but for the exceptions that are tried."""
        guard = self._guards[number]
        if request.kind != "Pod" or not guard.by_metadata:
            return guard.applies(request)
        twist = key[2] if len(key) > len(("question", "variant", "which")) else ""
        where = request.place.name if request.place is not None else None
        asked = (number, where, request.subresource, request.operation, key[-1] == "open", twist)
        if asked not in self._applied:
            self._applied[asked] = guard.applies(request)
        return self._applied[asked]

    def _twists(self, blocking: Iterable[int]) -> Iterable[Twist]:
        """What the guards that are in the way may make an exception of."""
        seen: dict[str, Twist] = {}
        for number in blocking:
            for twist in self._guards[number].twists():
                seen.setdefault(repr(twist), twist)
        return islice(seen.values(), TWISTS)


def refused(question: str, place: Place, guards: Sequence[Guard]) -> Answer:
    """One question of one place, without remembering anything."""
    return Door(guards).refused(question, place)


__all__ = ["NEW", "TWISTS", "Answer", "Door", "refused", "words_of"]
