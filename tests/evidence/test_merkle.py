"""The Merkle tree against the definition of RFC 6962, section 2.1, written out as it stands there."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.evidence import merkle


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 over leaf hashes: split at the largest power of two below n."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


VECTORS = (
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
)
"""Of Certificate Transparency: each input, and the root over all inputs down to it."""


@pytest.mark.parametrize("count", range(1, 9))
def test_the_roots_of_certificate_transparency(count: int) -> None:
    leaves = [hashlib.sha256(b"\x00" + bytes.fromhex(text)).digest() for text, _ in VECTORS[:count]]
    assert merkle.root(leaves).hex() == VECTORS[count - 1][1]
    assert mth(leaves) == merkle.root(leaves)


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert merkle.root([]) == hashlib.sha256(b"").digest()


hashes = st.binary(min_size=32, max_size=32)


@given(st.lists(hashes, max_size=70))
def test_the_root_is_that_of_the_definition(leaves: list[bytes]) -> None:
    assert merkle.root(iter(leaves)) == mth(leaves)


@pytest.mark.parametrize("count", [255, 256, 257, 1000])
def test_the_root_is_that_of_the_definition_for_many(count: int) -> None:
    leaves = [hashlib.sha256(str(n).encode()).digest() for n in range(count)]
    assert merkle.root(leaves) == mth(leaves)


@given(st.lists(hashes, min_size=2, max_size=20, unique=True), st.data())
def test_order_matters(leaves: list[bytes], data: st.DataObject) -> None:
    a, b = data.draw(st.lists(st.integers(0, len(leaves) - 1), min_size=2, max_size=2, unique=True))
    swapped = list(leaves)
    swapped[a], swapped[b] = swapped[b], swapped[a]
    assert merkle.root(swapped) != merkle.root(leaves)


@given(st.lists(hashes, min_size=1, max_size=20), hashes)
def test_a_leaf_more_or_less_matters(leaves: list[bytes], more: bytes) -> None:
    assert len({merkle.root(leaves), merkle.root(leaves[:-1]), merkle.root([*leaves, more])}) == 3


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=12), st.binary(min_size=16, max_size=16), st.data())
def test_one_byte_matters(lines: list[bytes], salt: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    byte = data.draw(st.integers(0, len(lines[at]) - 1))
    changed = bytearray(lines[at])
    changed[byte] ^= data.draw(st.integers(1, 255))
    edited = [*lines[:at], bytes(changed), *lines[at + 1 :]]
    assert merkle.root(merkle.leaf(salt, line) for line in edited) != merkle.root(merkle.leaf(salt, line) for line in lines)


@given(st.binary(), st.binary(min_size=16, max_size=16))
def test_a_leaf_is_what_the_design_says(line: bytes, salt: bytes) -> None:
    assert merkle.leaf(salt, line) == hashlib.sha256(b"\x00" + salt + hashlib.sha256(line).digest()).digest()


def test_a_salt_is_the_first_half_of_an_hmac_and_its_own_for_each_entry() -> None:
    expected = hmac.new(b"key", b"fact\x00id", hashlib.sha256).digest()[:16]
    assert merkle.salt(b"key", "fact", "id") == expected
    others = {merkle.salt(b"other", "fact", "id"), merkle.salt(b"key", "result", "id"), merkle.salt(b"key", "fact", "di")}
    assert len({expected, *others}) == 4
    assert merkle.salt(b"key", "a", "bc") != merkle.salt(b"key", "ab", "c")
