"""Whom an authenticator lets in under names of its own: identities of a cloud that are mapped to a user and to groups.

Parts of the names in two braces are filled in when somebody comes. The name of a session is chosen by whoever takes the role, so he comes
as any user or group whose name fits: https://github.com/kubernetes-sigs/aws-iam-authenticator, section Full Configuration Format.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from cnamm_scan.providers.kubernetes.policies.rbac.subjects import AUTHENTICATED, GROUP, USER, Subject, Who

IAM = "IAM"
"""Kind of a subject that stands for an identity of AWS."""
_PART = re.compile(r"\{\{ *([A-Za-z0-9]+) *\}\}")
_ACCOUNT_IN_ARN = re.compile(r"arn:[^:]*:(?:iam|sts)::([0-9]{12}):")
_FORMS = {"SessionName": r"[\w+=,.-]+", "SessionNameRaw": r"[\w+=,.@-]+", "EC2PrivateDNSName": r"[a-z0-9.-]+", "AccessKeyID": r"\w+"}
"""Part of a name -> what it may become. An @ of a session's name becomes a dash, but for the raw one."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """An identity, the user that it comes as, and that user's groups."""

    principal: str
    username: str
    groups: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """What stands for it among users, groups and accounts."""
        return Subject(IAM, self.principal)

    def caller(self, bound: Collection[Subject]) -> Who:
        """Who it is to RBAC, of all subjects that bindings name."""
        users, named_so = self._told((self.username,), USER, bound)
        groups, also = self._told(self.groups, GROUP, bound)
        return Who("".join(users), frozenset({AUTHENTICATED, *groups}), named_so | also)

    def _told(self, said: Sequence[str], kind: str, bound: Collection[Subject]) -> tuple[list[str], frozenset[Subject]]:
        """The names that are known, and of those that are not the bound subjects whose name fits."""
        account = _ACCOUNT_IN_ARN.match(self.principal)
        plain: list[str] = []
        fitting = set[Subject]()
        for each in filter(None, said):
            text = _PART.sub(lambda part: account[1] if account and part[1] == "AccountID" else part[0], each)
            if not _PART.search(text):
                plain.append(text)
                continue
            form = re.compile("".join(_formed(text)))
            fitting |= {subject for subject in bound if subject.kind == kind and form.fullmatch(subject.name)}
        return plain, frozenset(fitting)


def _formed(text: str) -> Iterator[str]:
    end = 0
    for part in _PART.finditer(text):
        yield re.escape(text[end : part.start()])
        yield _FORMS.get(part[1], ".+")
        end = part.end()
    yield re.escape(text[end:])
