"""The one config map of which more is kept than names: kube-system/aws-auth says which of AWS's identities enters an EKS cluster as whom.

Its values are YAML within text. Kept is what they map, an identity, a user name and groups, and nothing else that stands there. Read as the
authenticator does: names of fields in any case, what is malformed passed over by itself, and of an identity that is mapped twice the last
entry. Meaning of the fields: https://github.com/kubernetes-sigs/aws-iam-authenticator, section Full Configuration Format, and
https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cnamm_scan.paths import MalformedError
from cnamm_scan.yamls import Dialect, Limits, YamlError, document

Json = Any

NAMESPACE, NAME = "kube-system", "aws-auth"
ROLE, USER, ACCOUNT = "role", "user", "account"
_PARTS = {"mapRoles": (ROLE, "rolearn"), "mapUsers": (USER, "userarn"), "mapAccounts": (ACCOUNT, "")}
"""Key of the config map -> (what its entries are of, the field that names the identity)."""
_YAML = Dialect(Limits(size=1 << 20, weight=8 << 20, depth=20, documents=1), strict_keys=False)
"""An object of etcd has 1.5 MiB at most; an entry has three levels."""
_EMPTY = frozenset({"", "``", '""'})
"""What the authenticator takes for nothing."""


def aws_auth(written: Json) -> Json:
    """A ConfigMap with `awsAuth`, a list of `{part, kind, principal, username, groups}`: empty for any but that one.

    Of an entry, or of a whole key, that cannot be read `principal` is left out: somebody may be let in by it.
    """
    if not isinstance(written, dict):
        raise MalformedError("@")
    metadata = written.get("metadata")
    if not isinstance(metadata, dict) or (metadata.get("namespace"), metadata.get("name")) != (NAMESPACE, NAME):
        return {**written, "awsAuth": []}
    data = written.get("data")
    if data is not None and not isinstance(data, dict):
        raise MalformedError("data")
    return {**written, "awsAuth": list(_mapped(data or {}))}


def _mapped(data: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    for key, (kind, field) in _PARTS.items():
        entries = _entries(data.get(key))
        if entries is None:
            yield {"part": key, "kind": kind}
            continue
        found: dict[str, dict[str, Json]] = {}
        for number, entry in enumerate(entries):
            made = _account(entry) if kind == ACCOUNT else _entry(entry, field)
            found[made["principal"].lower() if made else f"#{number}"] = {"part": f"{key}[{number}]", "kind": kind, **made}
        yield from found.values()


def _entries(text: Json) -> list[Json] | None:
    """The list that a text is; None where it is none."""
    if text is None or (isinstance(text, str) and text.strip() in _EMPTY):
        return []
    if not isinstance(text, str):
        return None
    try:
        read = document(text, _YAML)
    except YamlError:
        return None
    return [] if read is None else read if isinstance(read, list) else None


def _entry(entry: Json, field: str) -> dict[str, Json]:
    """What an entry of a role or user says; nothing where it is not understood."""
    if not isinstance(entry, dict):
        return {}
    said = {str(name).lower(): value for name, value in entry.items()}
    principal, username, groups = said.get(field), said.get("username"), said.get("groups")
    username, groups = "" if username is None else username, [] if groups is None else groups
    is_read = isinstance(principal, str) and principal and isinstance(username, str) and isinstance(groups, list)
    if not is_read or not all(isinstance(group, str) for group in groups):
        return {}
    return {"principal": principal, "username": username, "groups": groups}


def _account(entry: Json) -> dict[str, Json]:
    """An account by its number, as text or as YAML reads digits without quotes."""
    number = f"{entry:012d}" if isinstance(entry, int) and not isinstance(entry, bool) and entry >= 0 else entry
    return {"principal": number, "username": "", "groups": []} if isinstance(number, str) and number else {}
