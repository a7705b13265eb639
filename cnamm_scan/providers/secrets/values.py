"""What a value is: a reference to a secret, a word that stands for one, a hash, something shaped like a token, or none of these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from cnamm_scan.providers.secrets.names import Says, says, words_of
from cnamm_scan.tokens import SHAPES, may_be_secret


class Kind(Enum):
    """What a value is by itself, whatever its name."""

    EMPTY = "empty"
    REFERENCE = "reference"
    """It says where the secret is: another variable, a secret store, a file."""
    TEMPLATE = "template"
    """What it will be is not yet written."""
    PLACEHOLDER = "placeholder"
    """A word that stands for a password, and works as one where nobody replaced it."""
    HASH = "hash"
    SEALED = "sealed"
    """Encrypted, or the public half of a pair."""
    TOKEN = "token"
    """Shaped as secrets are."""
    TRIVIAL = "trivial"
    """No password that anybody would choose: true, 42, 30s, a host, a path, an address without a login."""
    TEXT = "text"
    """Anything else: a secret where the name says so."""


@dataclass(frozen=True, slots=True)
class Value:
    """What was found out about a value. The value itself is not in it."""

    kind: Kind
    shape: str = ""
    """The name of the shape that it has."""


LONGEST = 1 << 20
"""Signs of a value that are looked at: all that a config map can hold."""

_SHAPES = tuple((shape, re.compile(shape.pattern)) for shape in SHAPES if shape.name not in ("named value", "login in an address"))

_REFERENCES = re.compile(
    r"arn:aws[a-z-]*:(?:secretsmanager|ssm|kms):\S+|\{\{resolve:[^}]*\}\}|@Microsoft\.(?:KeyVault|AppConfiguration)\(.*"
    r"|projects/[^/\s]+/secrets/\S+|(?:vault|secret|secrets|sm|gcpsm|awssm|akv|op|bws|infisical|doppler|ssm|sops|keyvault):[^\s/#]{0,256}[/#]\S*"
    r"|ref\+[a-z0-9]+://\S+|secretref:\S+|valueFrom\S*|(?:/run|/var/run)/secrets/\S+|~?/\.(?:ssh|aws|kube|docker)/\S+",
    re.IGNORECASE,
)
_VARIABLE = re.compile(
    r"\$\{\{[^{}]{0,256}\}\}|\$\{([^{}:]{1,256})(?::[-=]?([^{}]{0,256}))?\}|\$\(([^()]{1,512})\)|`[^`]{1,512}`|%[A-Za-z_][A-Za-z0-9_]{0,128}%"
)
_BARE_VARIABLE = re.compile(
    r"(?<![^\s:/@=,;\"'(])\$(?:[A-Z_][A-Z0-9_]{0,256}(?![A-Za-z0-9])|[A-Za-z][A-Za-z0-9_-]{0,128}[.:][A-Za-z0-9_.:-]{1,256}|[0-9@*#?](?![A-Za-z0-9]))"
)
"""Passwords hold the sign too: a variable is spelled in capitals, or names a place by dots."""
_CODE = re.compile(
    r"(?:os|process|self|this|config|settings|env|args|ctx|params|request|opts|options|data|event|context|input|var|local|module|each|System|Environment)"
    r"[.\[](?:\[?[\"'][^\"'\]]{0,128}[\"']\]?|[^\s\"']){1,256}|(?:get)?[eE]nv\([^)]{0,256}\)?|[A-Za-z_][A-Za-z0-9_.]{0,128}\([^)]{0,256}\)?"
)
"""An expression of a program: what it comes to is not written here."""
_SEALED = re.compile(
    r"ENC\[|ENC\(|AgB[A-Za-z0-9+/]{60}|AgA[A-Za-z0-9+/]{60}|\$ANSIBLE_VAULT|age-encryption\.org|\{cipher\}|vault:v[0-9]+:|kms:[a-z]"
    r"|-----BEGIN (?:[A-Z0-9 ]{0,40})?(?:PUBLIC KEY|CERTIFICATE|CERTIFICATE REQUEST|PGP MESSAGE|AGE ENCRYPTED FILE|X509 CRL|DH PARAMETERS)"
    r"|(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-[a-z0-9-]{1,20}) AAAA"
)
_HASHES = re.compile(
    r"(?:[^\s:$]{1,128}:)?(?:\$2[abxy]?\$[0-9]{2}\$|\$argon2(?:id|i|d)\$|\$(?:1|5|6|7|y|apr1|sha1|md5)\$|\$pbkdf2|\$scrypt\$"
    r"|\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|PBKDF2[A-Z0-9-]{0,12}|ARGON2)\}|pbkdf2(?:_|:)sha(?:1|256|512)|scrypt:[0-9]|bcrypt_sha256\$"
    r"|SCRAM-SHA-(?:1|256)\$|md5[0-9a-f]{32}$)",
)
_MASKED = re.compile(
    r"[*x.•#_-]{3,}|<[^<>]{0,256}>|\[(?:redacted|hidden|masked)\]|redacted|masked|hidden|n/?a|tbd|todo|fixme|\.\.\.", re.IGNORECASE
)
_ASKS = frozenset("your replace replaceme insert placeholder todo tbd fixme".split())
"""Words by which a text asks to be replaced: nothing works as a password yet."""
_WEAK = frozenset(
    "changeme changeit changethis change me it this password passw0rd passwd pass pwd secret secrets example sample dummy"
    " test testing foo bar foobar baz admin administrator root user username guest demo fake none todo letmein qwerty welcome"
    " hello secret123 default token key apikey postgres mysql mongo redis rabbitmq minio minioadmin keycloak grafana"
    " postgresql mariadb mypassword mysecret supersecret supersecretpassword verysecret s3cr3t s3cret p@ssw0rd insecure"
    " notsecure in production please prom operator sa abc abcd xyz value string credentials".split()
)
"""Words of which the passwords consist that everybody tries first."""
_SHORT = frozenset("root pass pwd abc xyz foo bar sa".split())
"""Those of them that are too short for anything else."""
_WORDS = re.compile(r"[A-Za-z0-9 _.@!-]{1,64}")
_TRIVIAL = frozenset("true false yes no on off null none nil auto default disabled enabled required optional undefined ~ n y".split())
_NUMBERS = re.compile(r"[-+]?[0-9]{1,5}(?:\.[0-9]{1,6})?%?")
_DURATION = re.compile(
    r"(?:[0-9]{1,9}(?:\.[0-9]{1,4})?\s?(?:ns|us|µs|ms|s|m|h|d|w|y|sec|secs|seconds?|min|mins|minutes?|hours?|days?|weeks?|months?|years?)){1,4}"
)
_SIZE = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,4})?\s?(?:[KMGTP]i?B?|B|bytes?)", re.IGNORECASE)
_PATH = re.compile(
    r"(?:/|~/|\.{1,2}/|[A-Za-z]:[\\/])[A-Za-z0-9._@ -]+(?:[\\/]+[A-Za-z0-9._@{}$ -]+)+[\\/]?"
    r"|/[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9.]{1,16}|file:\S*|/"
)
_ROOTS = re.compile(
    r"/(?:etc|run|var|home|opt|mnt|tmp|usr|app|srv|root|data|vault|secrets?|config|conf|certs?|keys?|credentials?|dev|proc)"
    r"(?:/[A-Za-z0-9._-]{0,64}/?)?"
)
_ZONES = (
    "com|net|org|io|dev|app|cloud|local|localhost|internal|svc|lan|corp|home|test|example|co|eu|uk|de|fr|nl|us|ca|ch|at|in|jp|cn|au|br|info"
    "|biz|ai|me|tv|gov|edu|mil|int|intranet"
)
_HOST = re.compile(
    rf"(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.){{1,10}}(?:{_ZONES})\.?(?::[0-9]{{1,5}})?|localhost(?::[0-9]{{1,5}})?"
    r"|(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?|[a-z0-9][a-z0-9.-]{0,120}:[0-9]{2,5}"
)
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}:(?://|jdbc:|[a-z]{2,12}://)\S{0,4096}|jdbc:\S{0,4096}", re.IGNORECASE)
_LOGIN = re.compile(r"://(?P<user>[^/\s:@?#]{0,128}):(?P<password>[^\s@/]{1,256}(?:/[^\s@/]{0,256}){0,4})@")
_ORACLE = re.compile(
    r"(?:jdbc:oracle:[a-z]{1,10}:)?(?P<user>[A-Za-z][A-Za-z0-9_.$#]{0,64})/(?P<password>[^\s@/]{4,128})@(?:/{2})?[A-Za-z0-9]"
)
_TCP = re.compile(r"(?P<user>[^\s:@/]{1,64}):(?P<password>[^\s@]{1,128})@(?:tcp|unix|udp)?\(")
_QUERY = re.compile(
    r"(?<![A-Za-z0-9_.-])(?P<name>[A-Za-z0-9_.-]{1,64}+)\s?=\s?(?P<value>\"[^\"]{0,256}\"|'[^']{0,256}'|[^\s;&,\"']{1,256})"
)


def value_says(value: str) -> Value:
    """What a value is by itself. Linear in its length; nothing of it is kept."""
    return _says(value) if len(value) > _REMEMBERED else _remembered(value)


_REMEMBERED = 1024
"""Signs of a value that thousands of others may repeat."""


@lru_cache(maxsize=16384)
def _remembered(value: str) -> Value:
    return _says(value)


def _says(value: str) -> Value:
    text = _bare(value[:LONGEST])
    if not text:
        return Value(Kind.EMPTY)
    sure = _plainly(text)
    if sure is not None:
        return Value(sure)
    if may_be_secret(text):
        for shape, pattern in _SHAPES:
            if not shape.whole or not any(mark in text for mark in shape.marks):
                continue
            if any(not _is_example(found.group()) for found in pattern.finditer(text)):
                return Value(Kind.TOKEN, shape.name)
    return _with_login(text) or Value(_kind(text))


def shaped_near(name: str, value: str) -> str:
    """The shape of a value that only its name makes one: a hash may look the same."""
    said = set(words_of(name))
    for shape, pattern in _SHAPES:
        if not shape.whole and said.intersection(shape.near) and pattern.search(value[:4096]):
            return shape.name
    return ""


def _bare(value: str) -> str:
    text = value.strip()
    while len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text


def _plainly(text: str) -> Kind | None:
    """What needs no closer look, because it says itself that no secret stands here."""
    if _REFERENCES.fullmatch(text):
        return Kind.REFERENCE
    if _HASHES.match(text):
        return Kind.HASH
    if _SEALED.match(text) and "PRIVATE KEY" not in text:
        return Kind.SEALED
    return None


def _kind(text: str) -> Kind:
    if "{{" in text and "}}" in text and not text.startswith("${{"):
        return Kind.TEMPLATE
    if _BARE_VARIABLE.fullmatch(text) or (text.startswith(("$(", "`")) and text.endswith((")", "`"))) or _CODE.fullmatch(text):
        return Kind.REFERENCE
    if "$" in text or "`" in text or "%" in text:
        rest, default = _without_variables(text)
        if rest is not None:
            if default:
                return _kind(default)
            return Kind.REFERENCE if sum(map(str.isalnum, rest)) < 8 else _kind(rest)
    low = text.lower()
    if _MASKED.fullmatch(text):
        return Kind.EMPTY
    if len(text) < 4 or low in _TRIVIAL or _NUMBERS.fullmatch(text) or _DURATION.fullmatch(low) or _SIZE.fullmatch(text):
        return Kind.PLACEHOLDER if low in _SHORT else Kind.TRIVIAL
    if _PATH.fullmatch(text) or _ROOTS.fullmatch(text) or _HOST.fullmatch(low) or _URL.fullmatch(text):
        return Kind.TRIVIAL
    words = words_of(text) if _WORDS.fullmatch(text) else ()
    if words and _ASKS.intersection(words) and (len(words) > 1 or words[0] != "your"):
        return Kind.EMPTY
    if words and all(word in _WEAK or (word.isdigit() and len(word) <= 4) for word in words):
        return Kind.PLACEHOLDER
    return Kind.TEXT


def _without_variables(text: str) -> tuple[str | None, str]:
    """(the text without the variables in it, what one of them is when nobody sets it); None where it has none."""
    default = ""
    there = False

    def gone(match: re.Match[str]) -> str:
        nonlocal default, there
        there = True
        default = default or _bare(match.group(2) or "")
        return ""

    rest = _VARIABLE.sub(gone, text)
    if not there:
        rest, count = _BARE_VARIABLE.subn("", text)
        there = count > 0 and sum(map(str.isalnum, rest)) < 4
    return (rest if there else None), default


def _with_login(text: str) -> Value | None:
    """What stands where a login does, in an address or among the settings of a connection."""
    weak = None
    for found in _logins(text):
        kind = _kind(_bare(found["password"]))
        if kind is Kind.TEXT or (kind is Kind.TRIVIAL and len(found["password"]) >= 3):
            return Value(Kind.TOKEN, "login in an address")
        if kind is Kind.PLACEHOLDER:
            weak = Value(Kind.PLACEHOLDER, "login in an address")
    if "=" in text:
        for found in _QUERY.finditer(text):
            if says(found["name"]) is not Says.SECRET and found["name"].lower() not in ("sig", "signature", "pw"):
                continue
            kind = _kind(_bare(found["value"]))
            if kind is Kind.TEXT:
                return Value(Kind.TOKEN, "named value")
            if kind is Kind.PLACEHOLDER:
                weak = Value(Kind.PLACEHOLDER, "named value")
    return weak


def _logins(text: str) -> Iterator[re.Match[str]]:
    if "@" in text:
        for pattern in (_LOGIN, _TCP, _ORACLE):
            yield from pattern.finditer(text)


def _is_example(text: str) -> bool:
    """Whether a token is one of those that documentation shows: it ends in EXAMPLE, or says one sign again and again."""
    body = text.rstrip("=\"' ")
    return body.upper().endswith("EXAMPLE") or bool(re.search(r"([A-Za-z0-9])\1{11,}", body))


def is_name_of_secret(value: str) -> bool | None:
    """Whether a value reads like the name of an object rather than like a password: true, false, or None where either may be."""
    text = _bare(value)
    if not re.fullmatch(r"[a-z][a-z0-9]{0,30}(?:[-.][a-z0-9]{1,30}){1,8}", text) or len(text) > 63:
        return False
    pieces = re.split(r"[-.]", text)
    if not all(piece.isalpha() or (piece.isdigit() and len(piece) <= 3) for piece in pieces) or any(len(piece) > 16 for piece in pieces):
        return False
    endings = {
        "secret",
        "secrets",
        "creds",
        "credentials",
        "tls",
        "cert",
        "certs",
        "token",
        "tokens",
        "key",
        "keys",
        "password",
        "passwords",
        "auth",
    }
    return True if pieces[-1] in endings or pieces[-1] == "config" else None
