"""Rules that look for one product where another may do the same, judged by the kinds that a provider tells apart.

What a rule says where none of the products is there is worked out from its parsed expression, three-valued: a look-up into what they left
is then false, and all else may be either. A NULL counts only where it can be what the rule comes to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from cnamm_scan.content import product_of, standing_of
from cnamm_scan.engine.lookups import Subquery
from cnamm_scan.engine.nothing import ANYTHING, NULL, Answers, connected, is_null
from cnamm_scan.engine.parser import Node, nodes
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import read_tree
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content, Rule

_EITHER = ANYTHING - NULL


def one_product(content: Content, rule: Rule) -> Iterator[ContentError]:
    """A rule about a whole target that looks for what a product left there, and calls it missing where another product may do the same.

    Such a rule says when nothing that is read can be seen (`OR (NOT … AND NULL)`), unless its `where:` asks for a product first.
    Raises ContentError for an expression that may not be asked.
    """
    if rule.for_each not in standing_of(rule.provider):
        return
    tree, lookups = _read(content, rule, "pass")
    products = sorted({product for _, lookup in lookups for product in _products(content, lookup.table)})
    found = _outcomes(content, tree, lookups) if products else _EITHER
    if not products or False not in found or None in found:
        return
    if rule.where is not None and True not in _outcomes(content, *_read(content, rule, "where")):
        return
    yield ContentError(
        f"looks for {', '.join(products)} alone: what another product does would count as not done",
        where=f"{rule.source} ({rule.id}) pass:",
        do="leave it open where nothing that is read is there: OR (NOT (true = ANY (SELECT …)) AND NULL)",
    )


def _read(content: Content, rule: Rule, key: str) -> tuple[Node, Sequence[tuple[Node, Subquery]]]:
    text = rule.pass_ if key == "pass" else rule.where or "true"
    return read_tree(content, rule.for_each, text, where=f"{rule.source} ({rule.id}) {key}:", estate=rule.scope == "estate")


def _outcomes(content: Content, tree: Node, lookups: Sequence[tuple[Node, Subquery]]) -> Answers:
    """What an expression may come to where no product has left anything. `ALL` is `NOT ANY` in the tree, so that it is true there."""

    def asked(node: Node) -> Answers:
        if node["class"] == "SUBQUERY" and any(each is node and _products(content, lookup.table) for each, lookup in lookups):
            return frozenset({False})
        return _EITHER | (NULL if any(map(is_null, nodes(node))) else frozenset())

    return connected(tree, asked)


@lru_cache(maxsize=4096)
def _products(content: Content, name: str) -> frozenset[str]:
    """The products that a table or view holds objects of; none where it holds the platform's own as well."""
    found = product_of(content, name)
    if found is not None:
        return frozenset({found} - {""})
    view = content.views.get(name)
    if view is None:
        return frozenset()
    below = view.made.over if view.made is not None else read_view(content, name).tables
    several = [_products(content, each) for each in below]
    return frozenset().union(*several) if all(several) else frozenset()
