"""What a setting's name says by its words: that its value is a secret itself, or only where one lies, how long it lasts or who made it."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache


class Says(Enum):
    """What a name says of its value."""

    SECRET = "secret"
    """The value is a secret."""
    HASH = "hash"
    """The value is what a password is checked against."""
    NOTHING = "nothing"
    """The value alone decides."""


LONGEST = 512
"""Signs of a name that are looked at: its end, which is what decides."""

_STRONG = frozenset(
    "password passwords passwd pw passphrase passcode passwort pwd pass pswd psw secret secrets credential credentials creds token"
    " privatekey jwt kennwort contrasena requirepass masterauth sshpass mypwd pgpassword".split()
)
"""A last word that names a secret by itself."""
_PASSWORDS = frozenset(
    "password passwords passwd pw passphrase passcode passwort pwd pass pswd psw kennwort contrasena requirepass masterauth sshpass mypwd"
    " pgpassword".split()
)
"""Those of them by which somebody signs in with a name, as databases ask."""
_JOINED = {
    "apikey": "api key",
    "apikeys": "api keys",
    "accesskey": "access key",
    "secretkey": "secret key",
    "privatekey": "private key",
    "accountkey": "account key",
    "appkey": "app key",
    "encryptionkey": "encryption key",
    "signingkey": "signing key",
    "masterkey": "master key",
    "sessionkey": "session key",
    "licensekey": "license key",
    "storagekey": "storage key",
    "sharedkey": "shared key",
    "sharedaccesskey": "shared access key",
    "secretaccesskey": "secret access key",
    "authtoken": "auth token",
    "accesstoken": "access token",
    "refreshtoken": "refresh token",
    "bearertoken": "bearer token",
    "apitoken": "api token",
    "bottoken": "bot token",
    "clientsecret": "client secret",
    "appsecret": "app secret",
    "apisecret": "api secret",
    "sharedsecret": "shared secret",
    "dbpassword": "db password",
    "dbpass": "db pass",
    "dbpasswd": "db passwd",
    "dbpwd": "db pwd",
    "userpass": "user pass",
    "userpassword": "user password",
    "rootpass": "root pass",
    "rootpassword": "root password",
    "adminpassword": "admin password",
    "adminpass": "admin pass",
    "mysqlpassword": "mysql password",
    "redispassword": "redis password",
    "keypassword": "key password",
    "keystorepassword": "keystore password",
    "truststorepassword": "truststore password",
    "smtppass": "smtp pass",
    "smtppassword": "smtp password",
    "ldappassword": "ldap password",
    "bindpassword": "bind password",
    "bindpw": "bind password",
    "rootpw": "root password",
    "keypass": "key pass",
    "storepass": "store pass",
    "connectionstring": "connection string",
}
"""Words that are written without a sign between them."""
_ENVIRONMENTS = frozenset(
    "prod production staging stage stg dev development test testing qa uat int local live eu us apac a b old new primary secondary main"
    " backup v default current previous next value raw plain plaintext base64 b64 pem txt".split()
)
"""Words behind a name that say which of several it is, or how it is written."""
_KEYS = frozenset(
    "api access private secret encryption encrypt decryption decrypt signing sign signature account app application master auth"
    " authentication license webhook session storage shared service ssh pgp gpg tls ssl hmac jwt cookie admin deploy deployment rsa aes"
    " subscription sas host functions ingest ingestion management recovery unseal gossip preshared psk symmetric fernet age vault dsa ecdsa"
    " ed25519 wireguard sops".split()
)
"""A word that makes the `key` behind it a secret one."""
_OTHER_KEYS = frozenset(
    "public publishable partition sort primary foreign cache object s3 hash range row routing idempotency index map dedup registry".split()
)
"""A word that makes a key another thing, wherever it stands before it."""
_TOKENS = frozenset("api auth access refresh bearer session registration bot admin service deploy join bootstrap user client".split())
"""A word that makes the `tokens` behind it keys, where a model's or a parser's tokens are counted."""
_AUTH = frozenset("redis registry docker npm basic proxy smtp mongo neo4j valkey elastic elasticsearch".split())
_SWITCHES = frozenset(
    "no skip disable enable allow require requires has is use show ignore max min num minimum maximum total count".split()
)
"""A word before that makes a switch or a number of it."""
_HARMLESS = (
    ("proxy", "pass"),
    ("next", "token"),
    ("page", "token"),
    ("continuation", "token"),
    ("cancellation", "token"),
    ("sync", "token"),
    ("csrf", "token"),
    ("xsrf", "token"),
    ("design", "token"),
    ("max", "tokens"),
)
"""Names of everyday things."""
_FILES = frozenset({".dockerconfigjson", ".dockercfg", ".npmrc", ".pypirc", ".netrc", "_netrc", ".pgpass", ".htpasswd", ".git-credentials"})
"""Files that are there to hold a secret."""
_KEY_FILES = re.compile(r"(?:^|[./_-])(?:id_(?:rsa|dsa|ecdsa|ed25519)|[^./]{1,200}\.(?:ppk|p12|pfx|jks|keystore|kdbx))$", re.IGNORECASE)
_WHOLE = frozenset({"secret_key_base", "client-key-data", "clientkeydata", "rails_master_key", "requirepass", "masterauth", "unseal_key"})

_PIECES = re.compile(r"[A-Z0-9]+(?=[A-Z][a-z]{2})|[A-Z]*[a-z][a-z0-9]*|[A-Z0-9]+")
_VERSION = re.compile(r"v?[0-9]{1,6}")
_NUMBERED = re.compile(r"([a-z]{3,})[0-9]{1,6}")


@lru_cache(maxsize=16384)
def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in small letters: split at every other sign and where a small letter meets a capital one, never at digits."""
    found: list[str] = []
    for run in re.findall(r"[A-Za-z0-9]+", name[-LONGEST:]):
        whole = run.lower()
        if whole in _JOINED:
            found += _JOINED[whole].split()
            continue
        for piece in _PIECES.findall(run):
            word = piece.lower()
            if numbered := _NUMBERED.fullmatch(word):
                word = word if word in _ENVIRONMENTS or word in _AUTH or word in _OTHER_KEYS or word in _KEYS else numbered.group(1)
            found += _JOINED.get(word, word).split()
    return tuple(found)


@lru_cache(maxsize=16384)
def says(name: str) -> Says:
    """What a name says of its value. A name says no more than its last words do."""
    low = name.strip().lower()
    if low in _WHOLE or low.rpartition("/")[2] in _FILES or _KEY_FILES.search(name[-LONGEST:]):
        return Says.SECRET
    words = _shortened(words_of(name))
    if low.endswith(".key") and not _OTHER_KEYS.intersection(words):
        return Says.SECRET
    if not words or _SWITCHES.intersection(words[:-1]):
        return Says.NOTHING
    last, before = words[-1], words[:-1]
    if words[-2:] in _HARMLESS:
        return Says.NOTHING
    if last in ("hash", "hashed") and before and before[-1] in _STRONG:
        return Says.HASH
    return Says.SECRET if _is_secret(last, before) else Says.NOTHING


@lru_cache(maxsize=16384)
def is_password(name: str) -> bool:
    """Whether a setting by its name is a password, and no other kind of secret."""
    words = _shortened(words_of(name))
    return says(name) is Says.SECRET and bool(words) and words[-1] in _PASSWORDS


def _is_secret(last: str, before: tuple[str, ...]) -> bool:
    if last in _STRONG:
        return True
    if last in ("key", "keys"):
        return bool(before) and before[-1] in _KEYS and not _OTHER_KEYS.intersection(before)
    if last == "tokens":
        return not before or before[-1] in _TOKENS
    return last == "auth" and bool(before) and before[-1] in _AUTH


def _shortened(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without the words behind that only say which of several it is, where what stays names a secret."""
    end = len(words)
    while end > 1 and (words[end - 1] in _ENVIRONMENTS or _VERSION.fullmatch(words[end - 1])):
        end -= 1
    if end == len(words):
        return words
    kept = words[:end]
    return kept if kept[-1] in _STRONG or kept[-1] in ("key", "auth", "hash") else words
