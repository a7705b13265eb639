"""The settings in a command: flags with their values in one word or two, what is set before a program, texts that a shell is given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cnamm_scan.providers.secrets.names import Says, says

Setting = tuple[str, str]
"""A name as it stands there, and the value given to it."""

DEPTH = 3
"""Shells within shells that are looked into."""

_FLAG = re.compile(r"--?[A-Za-z][A-Za-z0-9_.-]{0,127}|/[A-Za-z]{1,32}(?=:)")
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,255})\+?=(?P<value>.*)", re.DOTALL)
_SETS = frozenset(
    "--set --set-string --set-literal --env -e --build-arg --from-literal --property --conf --define -D -o --opt --var -var".split()
)
"""Flags whose value is a setting of its own: NAME=VALUE."""
_CLIENTS = {
    "mysql": "-p",
    "mysqldump": "-p",
    "mysqladmin": "-p",
    "mysqlimport": "-p",
    "mariadb": "-p",
    "mariadb-dump": "-p",
    "mariadb-admin": "-p",
    "xtrabackup": "-p",
    "mongo": "-p",
    "mongosh": "-p",
    "mongodump": "-p",
    "mongorestore": "-p",
    "mongoexport": "-p",
    "sshpass": "-p",
    "login": "-p",
    "redis-cli": "-a",
    "valkey-cli": "-a",
    "sqlcmd": "-P",
    "bcp": "-P",
    "ldapsearch": "-w",
    "ldapadd": "-w",
    "ldapmodify": "-w",
    "ldapdelete": "-w",
    "ldapwhoami": "-w",
    "smbclient": "-U",
    "influx": "-t",
    "argocd": "--password",
    "rabbitmqadmin": "-p",
    "snmpwalk": "-A",
    "ipmitool": "-P",
    "htpasswd": "-b",
    "7z": "-p",
}
"""Programs -> the short flag by which they take a password. `login` is that of docker, podman, helm registry, az and others."""
_JOINS = frozenset(("-p", "-a", "-P", "-U"))
"""Short flags whose value may stand in the same word."""
_LOGINS = {"curl": ("-u", "--user", "-U", "--proxy-user"), "wget": (), "http": ("-a", "--auth"), "smbclient": ("-U", "--user")}
"""Programs -> the flags that take `user:password`."""
_HEADERS = frozenset({"-H", "--header", "--headers"})
_SHELLS = re.compile(r"(?:.*/)?(?:ba|da|a|z|k|fi|c|tc)?sh|(?:.*/)?(?:pwsh|powershell|cmd)(?:\.exe)?", re.IGNORECASE)
_BEFORE = frozenset("exec sudo env time nohup command export set".split())
"""Words that stand before the program."""
_SIGNS = frozenset(";|&\n")
_RUNS = re.compile(r"-[a-zA-Z]{0,6}c[a-zA-Z]{0,3}|/[cC]|-[cC]ommand")
"""The flags by which a shell is given what to run."""


def settings(words: Sequence[str], depth: int = 0) -> Iterator[Setting]:
    """Every (name, value) that a program is given by its words, and by the words of the shells that it starts.

    Of a flag whose value is the next word it is told only where the flag is one that takes a secret: any other word may be anything.
    """
    program = ""
    called: list[str] = []
    is_shell = False
    number = 0
    while number < len(words):
        word = words[number]
        before = words[number - 1] if number else ""
        number += 1
        following = words[number] if number < len(words) else None
        is_shell = is_shell or _SHELLS.fullmatch(word) is not None
        if depth < DEPTH and _is_script(word, before, is_shell, alone=len(words) == 1):
            yield from script(word, depth + 1)
            continue
        if flag := _FLAG.match(word):
            name, rest = flag.group(), word[flag.end() :]
            if rest[:1] in ("=", ":"):
                yield from _given(name, rest[1:], program, called)
                continue
            yield from _joined(word, program)
            if not rest and following is not None and not following.startswith("-"):
                taken = list(_given(name, following, program, called))
                if taken and (taken[0][0] != name or says(name) is Says.SECRET):
                    yield from taken
                    number += 1
            continue
        if assigned := _ASSIGNED.fullmatch(word):
            yield assigned["name"], assigned["value"]
            continue
        base = word.rpartition("/")[2]
        if not program and base not in _BEFORE:
            program = base
        if len(called) < 4:
            called.append(base)


def _given(name: str, value: str, program: str, called: Sequence[str]) -> Iterator[Setting]:
    """What a flag was given."""
    if name in _SETS or (name.startswith("-D") and len(name) > 2):
        if name.startswith("-D") and len(name) > 2:
            yield name[2:], value
        elif assigned := _ASSIGNED.fullmatch(value):
            yield assigned["name"], assigned["value"]
        return
    if name in _HEADERS:
        header, _, content = value.partition(":")
        if content:
            yield "authorization token" if header.strip().lower() == "authorization" else header.strip(), _credential(content)
        return
    if name in _LOGINS.get(program, ()):
        user, sign, password = value.partition("%" if program == "smbclient" else ":")
        if sign and user:
            yield f"{program} {name} password", password
        return
    short = _CLIENTS.get(program) or next((_CLIENTS[each] for each in called if each in _CLIENTS), None)
    yield (f"{name} password", value) if short == name and len(name) == 2 else (name, value)


def _joined(word: str, program: str) -> Iterator[Setting]:
    """`-pSECRET`, as some programs want it."""
    short = _CLIENTS.get(program)
    if short in _JOINS and word.startswith(short) and len(word) > 2 and not word.startswith("--"):
        yield f"{short} password", word[2:]


def _credential(content: str) -> str:
    """What follows the scheme of an Authorization header."""
    first, _, rest = content.strip().partition(" ")
    return rest.strip() if rest and first.lower() in ("bearer", "basic", "token", "apikey", "digest") else content.strip()


def _is_script(word: str, before: str, is_shell: bool, *, alone: bool) -> bool:
    """Whether a word is what a shell is to run, not a text that a flag was given."""
    if not any(map(str.isspace, word)):
        return False
    return alone or (is_shell and (_RUNS.fullmatch(before) is not None or not before.startswith("-")))


def script(text: str, depth: int = 1) -> Iterator[Setting]:
    """The settings in a text that a shell runs, command by command."""
    command: list[str] = []
    for word in shell_words(text):
        if word is None:
            yield from settings(command, depth)
            command = []
        else:
            command.append(word)
    yield from settings(command, depth)


def shell_words(text: str) -> Iterator[str | None]:
    """The words of a shell's text; None where a command ends. What the shell would put in for a variable is left as `${NAME}`."""
    made: list[str] = []
    there = False
    quote = ""
    at, end = 0, len(text)
    while at < end:
        sign = text[at]
        at += 1
        if quote == "'":
            if sign == "'":
                quote = ""
            else:
                made.append(sign)
            continue
        if sign == "\\" and at < end:
            if text[at] != "\n":
                made.append(text[at])
                there = True
            at += 1
            continue
        if sign == "$" and at < end and (match := _SHELL_VARIABLE.match(text, at)):
            made.append("${" + (match["plain"] or match["braced"] or "x") + "}" if not match["command"] else "${x}")
            there = True
            at = match.end()
            continue
        if sign == "`":
            closing = text.find("`", at)
            made.append("${x}")
            there = True
            at = end if closing < 0 else closing + 1
            continue
        if quote:
            if sign == '"':
                quote = ""
            else:
                made.append(sign)
            continue
        if sign in "\"'":
            quote, there = sign, True
        elif sign == "#" and not there:
            newline = text.find("\n", at)
            at = end if newline < 0 else newline
        elif sign.isspace() or sign in _SIGNS:
            if there:
                yield "".join(made)
                made, there = [], False
            if sign in _SIGNS:
                yield None
        else:
            made.append(sign)
            there = True
    if there:
        yield "".join(made)


_SHELL_VARIABLE = re.compile(
    r"(?P<plain>[A-Za-z_][A-Za-z0-9_]{0,255}|[0-9@*#?!$-])|\{(?P<braced>[^{}]{0,512})\}|(?P<command>\([^()]{0,2048}\)?)"
)
