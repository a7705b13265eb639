"""CEL worked out over values that are known in part: every way in which an expression may come out, and no other certainty.

An expression comes out true, false or as an error. `&&` and `||` take an error back where the other side decides; what a `has()` found
settles the branch that was taken because of it. A function that is not known here may come out in any way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cnamm_scan.providers.kubernetes.policies.admission import cel_functions as functions
from cnamm_scan.providers.kubernetes.policies.admission.cel_syntax import Node, UnreadableError, parse
from cnamm_scan.providers.kubernetes.policies.admission.values import (
    ABSENT,
    Facts,
    Partial,
    Some,
    Unknown,
    Value,
    holds,
    is_list,
    is_object,
    items_of,
    joined,
    look,
    same,
)

TRUE, FALSE, ERROR = 1, 2, 4
ANY = TRUE | FALSE | ERROR
STEPS = 20_000
"""Nodes that one expression may visit; what takes longer may come out in any way."""


class TooLongError(Exception):
    """An expression took more steps than it may."""


@dataclass(frozen=True, slots=True)
class Result:
    """A value, and whether there may be (None) or must be (True) an error instead."""

    value: Value
    error: bool | None = False


NO_VALUE = Result(None, True)
OPEN = Result(Unknown(), None)


@dataclass(slots=True)
class _Count:
    steps: int = 0
    elements: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that an expression may use, and what is settled about what is there."""

    names: Mapping[str, Value]
    variables: Mapping[str, Node | None] = field(default_factory=dict)
    """`variables.x`: worked out where they are used. None for one that cannot be read."""
    facts: Facts = field(default_factory=dict)
    count: _Count = field(default_factory=_Count)

    def knowing(self, tree: Node, truth: bool) -> Scope:
        """The same where an expression came out so."""
        found: dict[str, bool] = {}
        _learn(self, tree, truth, found)
        return replace(self, facts={**self.facts, **found}) if found else self

    def having(self, name: str, value: Value) -> Scope:
        """The same with one more name."""
        return replace(self, names={**self.names, name: value})


def outcomes(text: str, scope: Scope) -> int:
    """In which ways an expression may come out: TRUE, FALSE and ERROR, together."""
    try:
        return ways(work_out(parse(text), replace(scope, count=_Count())))
    except (UnreadableError, TooLongError, RecursionError):
        return ANY


def readable(text: str) -> Node | None:
    """The tree of an expression; None for what cannot be read."""
    try:
        return parse(text)
    except (UnreadableError, RecursionError):
        return None


def ways(result: Result) -> int:
    """The ways of a result."""
    if result.error:
        return ERROR
    made = {True: TRUE, False: FALSE}.get(result.value) if isinstance(result.value, bool) else None
    if made is None:
        made = TRUE | FALSE if isinstance(result.value, Unknown) else ERROR
    return made if result.error is False else made | ERROR


def _of_ways(found: int) -> Result:
    if found == ERROR:
        return NO_VALUE
    value: Value = {TRUE: True, FALSE: False}.get(found & (TRUE | FALSE), Unknown())
    return Result(value, None if found & ERROR else False)


def _of_answer(answer: bool | None, error: bool | None = False) -> Result:
    return Result(Unknown() if answer is None else answer, error)


def work_out(tree: Node, scope: Scope) -> Result:
    """What an expression comes to. Raises TooLongError."""
    scope.count.steps += 1
    if scope.count.steps > STEPS:
        raise TooLongError
    return _KINDS[tree.kind](tree, scope)


def _literal(tree: Node, scope: Scope) -> Result:
    return Result(tree.value)


def _name(tree: Node, scope: Scope) -> Result:
    if tree.value in scope.names:
        found = scope.names[tree.value]
        return NO_VALUE if found is ABSENT else Result(found)
    return OPEN  # a library of the engine's, or a name that the server would refuse


def _select(tree: Node, scope: Scope) -> Result:
    target = tree.parts[0]
    if target.kind == "name" and target.value == "variables" and "variables" not in scope.names:
        return _variable(tree.value, scope)
    found = work_out(target, scope)
    if found.error:
        return found
    if tree.optional or isinstance(found.value, functions.Optional):
        return _select_optional(found, tree.value, scope)
    return _field(found, tree.value, scope)


def _variable(name: str, scope: Scope) -> Result:
    tree = scope.variables.get(name)
    return OPEN if tree is None else work_out(tree, replace(scope, names={each: scope.names[each] for each in scope.names if each in _TOP}))


_TOP = ("object", "oldObject", "request", "params", "namespaceObject", "authorizer")


def _field(found: Result, name: str, scope: Scope) -> Result:
    value, there = look(found.value, name, scope.facts)
    if there is False:
        return NO_VALUE
    return Result(value, found.error if there else None)


def _select_optional(found: Result, name: str, scope: Scope) -> Result:
    inner, present = found.value, True if not isinstance(found.value, functions.Optional) else found.value.there
    if isinstance(inner, functions.Optional):
        inner = inner.value
    if present is False:
        return Result(functions.Optional(None, False), found.error)
    if not is_object(inner) and not isinstance(inner, Unknown):
        return NO_VALUE if present else OPEN
    value, there = look(inner, name, scope.facts)
    known = False if there is False else True if there and present else None
    return Result(functions.Optional(value, known), found.error)


def _has(tree: Node, scope: Scope) -> Result:
    found = work_out(tree.parts[0], scope)
    if found.error:
        return found
    value = found.value
    if isinstance(value, functions.Optional):
        return OPEN
    if not is_object(value) and not isinstance(value, Unknown):
        return NO_VALUE
    return _of_answer(look(value, tree.value, scope.facts)[1], found.error)


def _index(tree: Node, scope: Scope) -> Result:
    target, key = (work_out(each, scope) for each in tree.parts)
    if target.error or key.error:
        return NO_VALUE
    value = target.value
    if tree.optional or isinstance(value, functions.Optional) or (target.error, key.error) != (False, False):
        if isinstance(key.value, str) and (is_object(value) or isinstance(value, Unknown | functions.Optional)) and key.error is False:
            return _select_optional(target, key.value, scope)
        return OPEN
    if isinstance(key.value, str):
        if is_object(value) or isinstance(value, Unknown):
            return _field(target, key.value, scope)
        return NO_VALUE
    if isinstance(key.value, int) and is_list(value) and not isinstance(value, Some):
        return Result(value[key.value]) if 0 <= key.value < len(value) else NO_VALUE
    return OPEN


def _and(tree: Node, scope: Scope) -> Result:
    return _of_ways(_chain(tree, scope, TRUE, FALSE))


def _or(tree: Node, scope: Scope) -> Result:
    return _of_ways(_chain(tree, scope, FALSE, TRUE))


def _chain(tree: Node, scope: Scope, going: int, stopping: int) -> int:
    """The ways of a chain: one that stops decides it, whatever the others do; an error is the chain's where none stops it."""
    so_far = going
    for each in tree.parts:
        plain = ways(work_out(each, scope))
        made = 0
        if so_far & going:
            made |= plain
        if so_far & ERROR:
            # what stood before did not come out as it had to: nothing is settled by it
            loose = ways(work_out(each, replace(scope, facts={}))) if scope.facts else plain
            made |= (stopping if loose & stopping else 0) | (ERROR if loose & (going | ERROR) else 0)
        so_far = made | (so_far & stopping)
        if so_far == stopping:
            return so_far
        scope = scope.knowing(each, going == TRUE)
    return so_far


def _not(tree: Node, scope: Scope) -> Result:
    found = ways(work_out(tree.parts[0], scope))
    swapped = (TRUE if found & FALSE else 0) | (FALSE if found & TRUE else 0) | (found & ERROR)
    return _of_ways(swapped)


def _negate(tree: Node, scope: Scope) -> Result:
    found = work_out(tree.parts[0], scope)
    if isinstance(found.value, int | float) and not isinstance(found.value, bool):
        return Result(-found.value, found.error)
    return OPEN


def _choose(tree: Node, scope: Scope) -> Result:
    question, yes, no = tree.parts
    asked = ways(work_out(question, scope))
    found = [
        work_out(branch, scope.knowing(question, truth)) for branch, truth, way in ((yes, True, TRUE), (no, False, FALSE)) if asked & way
    ]
    if not found:
        return NO_VALUE
    first, last = found[0], found[-1]
    if first.error and last.error:
        return NO_VALUE
    value = last.value if first.error else first.value if last.error else joined(first.value, last.value)
    sure = not asked & ERROR and first.error is False and last.error is False
    return Result(value, False if sure else None)


def _relate(tree: Node, scope: Scope) -> Result:
    first, second = (work_out(each, scope) for each in tree.parts)
    if first.error or second.error:
        return NO_VALUE
    error = False if first.error is False and second.error is False else None
    if isinstance(first.value, functions.Optional) or isinstance(second.value, functions.Optional):
        return OPEN
    match tree.value:
        case "==":
            return _of_answer(same(first.value, second.value), error)
        case "!=":
            return _not(Node("not", None, (Node("relate", "==", tree.parts),)), scope)
        case "in":
            if is_object(second.value) or (isinstance(second.value, Unknown) and isinstance(first.value, str)):
                if not isinstance(first.value, str):
                    return OPEN
                there = look(second.value, first.value, scope.facts)[1]
                return _of_answer(there, error)
            if not is_list(second.value) and not isinstance(second.value, Unknown):
                return NO_VALUE
            return _of_answer(holds(second.value, first.value), error)
        case _:
            return functions.compared(tree.value, first.value, second.value, error, Result)


def _call(tree: Node, scope: Scope) -> Result:
    return _applied(tree, scope, functions.CALLS)


def _method(tree: Node, scope: Scope) -> Result:
    target = tree.parts[0]
    if target.kind == "name" and target.value not in scope.names and target.value != "variables":
        if (target.value, tree.value) == ("optional", "none"):
            return Result(functions.Optional(None, False))
        if (target.value, tree.value) == ("optional", "of") and len(tree.parts) == 2:
            found = work_out(tree.parts[1], scope)
            return found if found.error else Result(functions.Optional(found.value, True), found.error)
        return OPEN
    return _applied(tree, scope, functions.METHODS)


def _applied(tree: Node, scope: Scope, known: Mapping[str, Callable[..., Value]]) -> Result:
    given = [work_out(each, scope) for each in tree.parts]
    if any(each.error for each in given):
        return NO_VALUE
    function = known.get(tree.value)
    if function is None:
        return OPEN
    try:
        value = function(*(each.value for each in given))
    except functions.WrongError:
        return NO_VALUE
    except (TypeError, ValueError, OverflowError):
        return OPEN  # a form that is not known here
    if isinstance(value, functions.MayFail):
        return Result(value.value, None)
    return Result(value, False if all(each.error is False for each in given) else None)


def _list(tree: Node, scope: Scope) -> Result:
    found = [work_out(each, scope) for each in tree.parts]
    if any(each.error for each in found):
        return NO_VALUE
    return Result([each.value for each in found], False if all(each.error is False for each in found) else None)


def _map(tree: Node, scope: Scope) -> Result:
    found = [work_out(each, scope) for each in tree.parts]
    if any(each.error for each in found):
        return NO_VALUE
    names = [each.value for each in found[::2]]
    if not all(isinstance(name, str) for name in names) or any(each.error is None for each in found):
        return OPEN
    return Result(dict(zip(names, (each.value for each in found[1::2]), strict=True)))


def _macro(tree: Node, scope: Scope) -> Result:
    target = work_out(tree.parts[0], scope)
    if target.error:
        return target
    value = target.value
    if is_object(value):
        if isinstance(value, Partial):
            value = Some([name for name, each in value.fields.items() if each is not ABSENT])
        else:
            value = [name for name, each in value.items() if each is not None and each is not ABSENT]  # macros go over the keys
    if isinstance(value, functions.Optional):
        return OPEN
    if not is_list(value) and not isinstance(value, Unknown):
        return NO_VALUE
    known, more = items_of(value)
    inner = [scope.having(tree.bound, each) for each in known]
    if more:
        scope.count.elements += 1
        path = value.path if isinstance(value, Unknown | Some) else ""
        inner.append(scope.having(tree.bound, Unknown(f"{path}[{tree.bound}#{scope.count.elements}]")))
    made = _MACROS[tree.value](tree.parts[1:], inner, more, known)
    return made if target.error is False else Result(made.value, made.error or None)


def _every(parts: tuple[Node, ...], scopes: list[Scope], more: bool, known: Sequence[Value]) -> Result:
    return _of_ways(_over(parts[0], scopes, more, TRUE, FALSE))


def _exists(parts: tuple[Node, ...], scopes: list[Scope], more: bool, known: Sequence[Value]) -> Result:
    return _of_ways(_over(parts[0], scopes, more, FALSE, TRUE))


def _over(tree: Node, scopes: list[Scope], more: bool, going: int, stopping: int) -> int:
    """As a chain of the same expression, once for each element."""
    so_far = going
    for number, scope in enumerate(scopes):
        found = ways(work_out(tree, scope))
        made = 0
        if so_far & going:
            made |= found
        if so_far & ERROR:
            made |= (stopping if found & stopping else 0) | (ERROR if found & (going | ERROR) else 0)
        made |= so_far & stopping
        so_far = so_far | made if more and number == len(scopes) - 1 else made  # of others there may be none
    return so_far


def _exists_one(parts: tuple[Node, ...], scopes: list[Scope], more: bool, known: Sequence[Value]) -> Result:
    found = [ways(work_out(parts[0], scope)) for scope in scopes]
    if any(each & ERROR for each in found):
        return NO_VALUE if ERROR in found and not more else OPEN
    if more or any(each == TRUE | FALSE for each in found):
        return Result(Unknown())
    return Result(sum(each == TRUE for each in found) == 1)


def _filter(parts: tuple[Node, ...], scopes: list[Scope], more: bool, known: Sequence[Value]) -> Result:
    found = [ways(work_out(parts[0], scope)) for scope in scopes]
    firm = found[:-1] if more else found
    if ERROR in firm:
        return NO_VALUE
    values = [element for element, each in zip(known, firm, strict=True) if each in (TRUE, TRUE | ERROR)]
    doubtful = more and found[-1] != FALSE
    doubtful = doubtful or any(each & TRUE and each & (FALSE | ERROR) for each in firm)
    return Result(Some(values) if doubtful else values, None if any(each & ERROR for each in found) else False)


def _mapped(parts: tuple[Node, ...], scopes: list[Scope], more: bool, known: Sequence[Value]) -> Result:
    if len(parts) > 1:
        return OPEN
    found = [work_out(parts[0], scope) for scope in scopes]
    firm = found[:-1] if more else found
    if any(each.error for each in firm):
        return NO_VALUE
    values = [each.value for each in firm]
    return Result(Some(values) if more else values, None if any(each.error is not False for each in found) else False)


def _learn(scope: Scope, tree: Node, truth: bool, found: dict[str, bool]) -> None:
    """What is there, or is not, once an expression came out so."""
    match tree.kind:
        case "has":
            value = work_out(tree.parts[0], scope).value
            if isinstance(value, Unknown | Partial) and value.path:
                found[f"{value.path}.{tree.value}"] = truth
        case "not":
            _learn(scope, tree.parts[0], not truth, found)
        case "and" | "or" if (tree.kind == "and") is truth:
            for each in tree.parts:
                _learn(scope, each, truth, found)
        case "relate" if tree.value == "in" and tree.parts[0].kind == "literal" and isinstance(tree.parts[0].value, str):
            value = work_out(tree.parts[1], scope).value
            if isinstance(value, Unknown | Partial) and value.path:
                found[f"{value.path}.{tree.parts[0].value}"] = truth


_KINDS: Mapping[str, Callable[[Node, Scope], Result]] = {
    "literal": _literal,
    "name": _name,
    "select": _select,
    "has": _has,
    "index": _index,
    "call": _call,
    "method": _method,
    "list": _list,
    "map": _map,
    "and": _and,
    "or": _or,
    "not": _not,
    "negate": _negate,
    "choose": _choose,
    "relate": _relate,
    "macro": _macro,
}
_MACROS: Mapping[str, Callable[[tuple[Node, ...], list[Scope], bool, Sequence[Value]], Result]] = {
    "all": _every,
    "exists": _exists,
    "exists_one": _exists_one,
    "filter": _filter,
    "map": _mapped,
}
