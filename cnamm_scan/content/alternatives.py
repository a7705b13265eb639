"""Rules that look for one product where another may do the same, judged by the kinds that a provider tells apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content, Rule
from cnamm_scan.providers.catalog import KINDS

_ID = re.compile(r"\b[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\b")
_TEXT = re.compile(r"'(?:[^']|'')*'")
_LEFT_OPEN = re.compile(r"(?<!\bIS )(?<!\bIS NOT )\bNULL\b", re.IGNORECASE)


def one_product(content: Content, rule: Rule) -> Iterator[ContentError]:
    """A rule about a whole target that looks for what a product left there, and calls it missing where another product may do the same.

    Such a rule says when nothing that is read can be seen (`OR (NOT … AND NULL)`), unless its `where:` asks for a product first.
    """
    kind = KINDS.get(rule.provider)
    if kind is None or kind.product is None or rule.for_each not in kind.standing:
        return
    products = sorted({product for look in _looks(content, rule.pass_) for product in _products(content, look)})
    if not products or _LEFT_OPEN.search(_TEXT.sub("''", rule.pass_)):
        return
    if any(_products(content, look) for look in _looks(content, rule.where or "")):
        return
    yield ContentError(
        f"looks for {', '.join(products)} alone: what another product does would count as not done",
        where=f"{rule.source} ({rule.id}) pass:",
        do="leave it open where nothing that is read is there: OR (NOT (true = ANY (SELECT …)) AND NULL)",
    )


def _looks(content: Content, text: str) -> set[str]:
    return set(_ID.findall(_TEXT.sub("''", text))) & (content.tables.keys() | content.views.keys())


def _products(content: Content, look: str) -> frozenset[str]:
    """The products that a table or view holds objects of; none where it holds the platform's own as well."""
    kind = KINDS.get(look.split(".", 1)[0])
    if kind is None or kind.product is None:
        return frozenset()
    if look in kind.recognisers:
        return frozenset({look})
    found = frozenset(kind.product(content.tables[table]) for table in _tables(content, look, frozenset()))
    return frozenset() if "" in found else found


def _tables(content: Content, name: str, seen: frozenset[str]) -> frozenset[str]:
    """The tables beneath a table or view."""
    if name in content.tables or name in seen:
        return frozenset({name} & content.tables.keys())
    view = content.views[name]
    below = set(view.made.over) if view.made is not None else _looks(content, view.select)
    return frozenset(table for each in below for table in _tables(content, each, seen | {name}))
