"""Whom a binding names and who is behind a request: users, groups that come by themselves, service accounts."""

from __future__ import annotations

from dataclasses import dataclass

USER, GROUP, ACCOUNT = "User", "Group", "ServiceAccount"
MASTERS = "system:masters"
"""Past RBAC: the API server lets its members do anything, and no binding gives or takes that."""
AUTHENTICATED, UNAUTHENTICATED, ANONYMOUS = "system:authenticated", "system:unauthenticated", "system:anonymous"
ACCOUNTS = "system:serviceaccounts"
_ACCOUNT_USER = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """A user, group or service account. `namespace` is that of an account; empty for users and groups."""

    kind: str
    name: str
    namespace: str = ""

    @classmethod
    def of(cls, kind: str, name: str, namespace: str = "", place: str = "") -> Subject:
        """A binding's subject. A user may be a service account by its long name; one without a namespace is of the binding's `place`."""
        if kind == USER and name.startswith(_ACCOUNT_USER):
            of, _, account = name.removeprefix(_ACCOUNT_USER).partition(":")
            if of and account:
                return cls(ACCOUNT, account, of)
        if kind == ACCOUNT:
            return cls(ACCOUNT, name, namespace or place)
        return cls(kind, name)

    @property
    def text(self) -> str:
        """Such as `Group platform`, or `ServiceAccount shop/api`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.kind == ACCOUNT else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Who:
    """Who is behind a request: the user as the authenticator names it, and every group that is known of it."""

    user: str
    groups: frozenset[str]
    also: frozenset[Subject] = frozenset()
    """Other subjects that he may come as."""

    @property
    def subjects(self) -> frozenset[Subject]:
        """Every subject of a binding that means this caller."""
        own = {Subject.of(USER, self.user)} if self.user else set()
        return frozenset({*own, *self.also, *(Subject(GROUP, group) for group in self.groups)})


def who(subject: Subject) -> Who:
    """A caller that is this subject and no more: of a group an unnamed member, with the groups that come with it by themselves."""
    if subject.kind == ACCOUNT:
        groups = {ACCOUNTS, f"{ACCOUNTS}:{subject.namespace}", AUTHENTICATED}
        return Who(f"{_ACCOUNT_USER}{subject.namespace}:{subject.name}", frozenset(groups))
    if subject.kind == GROUP:
        if subject.name == UNAUTHENTICATED:
            return Who(ANONYMOUS, frozenset({UNAUTHENTICATED}))
        more = {ACCOUNTS} if subject.name.startswith(f"{ACCOUNTS}:") else set()
        return Who("", frozenset({subject.name, *more, AUTHENTICATED}))
    if subject.name == ANONYMOUS:
        return Who(ANONYMOUS, frozenset({UNAUTHENTICATED}))
    return Who(subject.name, frozenset({AUTHENTICATED, *_groups_of(subject.name)}))


def _groups_of(user: str) -> set[str]:
    """What the authenticators of nodes and of bootstrap tokens always add."""
    if user.startswith("system:node:"):
        return {"system:nodes"}
    return {"system:bootstrappers"} if user.startswith("system:bootstrap:") else set()
