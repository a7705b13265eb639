"""How a rule speaks: sentences that stand alone in a ticket, commands that run as they are copied, words that a search finds.

A rule whose message is one text (an older one, somebody's own) is held to nothing here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from cnamm_scan.content.tables import columns_of
from cnamm_scan.content.tags import TAGS
from cnamm_scan.errors import ContentError, did_you_mean
from cnamm_scan.model import Column, Content, Result, Rule, Verdict
from cnamm_scan.providers.catalog import KINDS
from cnamm_scan.text import fill, placeholders, unsaid

PLACE = frozenset({"key", "region", "target"})
LONGEST_TITLE = 70
KUBECTL = "kubectl"
_ASKS = re.compile(r"\?|\blooked for\b", re.IGNORECASE)
_OPERATORS = re.compile(r"[|&;<>`]|\$\(")
_TERRAFORM = re.compile(r"[a-z]+_[a-z0-9_]+: \S.*")


def wording(content: Content, rule: Rule) -> Iterator[ContentError]:
    """What is wrong with what a rule says."""
    if not rule.message.pass_:
        return
    columns = columns_of(content, rule.for_each)
    for what, do in (*_title(rule), *_messages(content, rule, columns), *_fixes(rule), *_tags(rule)):
        yield ContentError(what, where=f"{rule.source} ({rule.id})", do=do)


def _title(rule: Rule) -> Iterator[tuple[str, str]]:
    if len(rule.title) > LONGEST_TITLE:
        yield f"a title of {len(rule.title)} characters", f"say it in {LONGEST_TITLE}"


def _messages(content: Content, rule: Rule, columns: Mapping[str, Column]) -> Iterator[tuple[str, str]]:
    for name, said in rule.says.items():
        own = columns if said.named is None else columns_of(content, said.named.of)
        other = [] if said.named is None or said.named.else_ is None else [said.named.else_]
        if unfilled := [each for say in other for each in placeholders(say)]:
            yield f"says.{name} shows {{{unfilled[0]}}} in its 'else', which is said as it is", "say it in words"
        for say in (said.named.say, *other) if said.named is not None else [cause.say for cause in said.causes]:
            if _ASKS.search(say) or say.endswith("."):
                yield f"says.{name} asks or ends with a full stop: '{say}'", "say what was found, as a part of the sentence"
            if bare := [each for each in placeholders(say) if each in own and own[each].type == "boolean"]:
                yield f"says.{name} shows {{{bare[0]}}}, which is true or false", "say it in words"
    for verdict, template in zip(("fail", "pass", "unknown"), rule.message.templates, strict=True):
        named = placeholders(template)
        if _ASKS.search(template):
            yield f"the message of a {verdict} asks", "say what was found, in one sentence"
        if template.rstrip().endswith("."):
            yield f"the message of a {verdict} ends with a full stop", "remove it"
        bare = [name for name in named if name in columns and columns[name].type == "boolean"]
        if bare:
            yield f"the message of a {verdict} shows {{{bare[0]}}}, which is true or false", "say it in words"
        if verdict == "pass" and (seen := [name for name in named if name not in PLACE and name not in rule.parameters]):
            yield f"the message of a pass shows {{{seen[0]}}}, and of what passed no value is kept", "name it by {key}"
        if not any(name in columns for name in named):
            yield f"the message of a {verdict} does not name its resource", "name it by a column, such as {key}"


def _fixes(rule: Rule) -> Iterator[tuple[str, str]]:
    if not rule.fix.templates:
        yield "'fix' says nothing", "give one of cli, kubernetes, console, advice and terraform"
    kind = KINDS.get(rule.provider)
    for begins, commands in ((kind.command_line if kind else "", rule.fix.cli), (KUBECTL, rule.fix.kubernetes)):
        for text in commands:
            try:
                words = shlex.split(text)
            except ValueError as error:
                yield f"'{text[:60]}' is no command line: {error}", "close its quotes"
                continue
            if words[:1] != [begins]:
                yield f"'{text[:60]}' does not begin with {begins or 'a command line of its provider'}", "move it"
            loose = next((word for word in words if _OPERATORS.fullmatch(word)), None)
            if loose is not None:
                yield f"'{text[:60]}' needs a shell for '{loose}'", "write one command an item of the list"
    for text in rule.fix.terraform:
        if not _TERRAFORM.fullmatch(text):
            yield f"'{text[:60]}' is no Terraform attribute", "write RESOURCE: ATTRIBUTE = VALUE"


def _tags(rule: Rule) -> Iterator[tuple[str, str]]:
    for tag in rule.tags:
        if tag not in TAGS:
            yield f"no tag '{tag}'", did_you_mean(tag, TAGS)
    if not rule.tags:
        yield "no tag: whoever searches by topic does not find it", "give some of cnamm_scan/content/tags.py"


def hole(rule: Rule, result: Result) -> str | None:
    """What the message of a case's result has no words for; None where it is whole.

    A fail says all that it wants to say. Of what passed or is unknown some of it may not be known: the title stands for it then.
    """
    if not rule.message.pass_ or result.verdict is not Verdict.FAIL:
        return None
    known = result.known
    missing = list(unsaid(rule.message.fail, known))
    for name, said in rule.says.items():
        told = str(known.get(name))
        missing += [gap for cause in said.causes if fill(cause.say, known) in told for gap in unsaid(cause.say, known)]
    return f"fail, of which the message has no {{{missing[0]}}}" if missing else None
