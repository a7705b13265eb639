"""Salted leaves in a Merkle tree as RFC 6962 builds it: SHA-256, 0x00 before a leaf, 0x01 before a node."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

ALGORITHM = "rfc6962-sha256-salted"
HASH_SIZE = 32
SALT_SIZE = 16


def salt(key: bytes, kind: str, identifier: str) -> bytes:
    """The 16 bytes that keep a leaf from being guessed: HMAC(scan key, kind ‖ 0x00 ‖ id)."""
    return hmac.digest(key, f"{kind}\0{identifier}".encode(), "sha256")[:SALT_SIZE]


def leaf(salted: bytes, line: bytes) -> bytes:
    """The hash of one stored line, without its newline."""
    return hashlib.sha256(b"\x00" + salted + hashlib.sha256(line).digest()).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """The tree's root over leaf hashes in order; of none, the hash of nothing."""
    stack: list[tuple[int, bytes]] = []  # (height, hash), heights falling
    for hashed in leaves:
        height, node = 0, hashed
        while stack and stack[-1][0] == height:
            node = hashlib.sha256(b"\x01" + stack.pop()[1] + node).digest()
            height += 1
        stack.append((height, node))
    if not stack:
        return hashlib.sha256(b"").digest()
    node = stack.pop()[1]
    while stack:
        node = hashlib.sha256(b"\x01" + stack.pop()[1] + node).digest()
    return node
