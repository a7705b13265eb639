"""Secrets in commands, files and start scripts: which names are told, and that no text is gone over again and again."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.secrets import lines, names, values, words
from cnamm_scan.providers.secrets.found import Found, of_files, of_script, of_settings, of_words
from cnamm_scan.providers.secrets.lines import LARGEST, decoded
from tests.steps import Counted

PASSWORD = "hunter2hunter2"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["--password", PASSWORD], "--password"),
        ([f"--password={PASSWORD}"], "--password"),
        (["--db.password", PASSWORD], "--db.password"),
        (["-apiKey", PASSWORD], "-apiKey"),
        (["--client-secret", PASSWORD, "--verbose"], "--client-secret"),
        (["mysql", "-uroot", f"-p{PASSWORD}"], "-p password"),
        (["/usr/bin/mysqldump", f"-p{PASSWORD}", "shop"], "-p password"),
        (["mongosh", "-p", PASSWORD], "-p password"),
        (["redis-cli", "-a", PASSWORD, "ping"], "-a password"),
        (["redis-server", "--requirepass", PASSWORD], "--requirepass"),
        (["docker", "login", "-u", "me", "-p", PASSWORD, "r.example.com"], "-p password"),
        (["curl", "-u", f"me:{PASSWORD}", "https://x.example.com"], "curl -u password"),
        (["java", f"-Dspring.datasource.password={PASSWORD}", "-jar", "x.jar"], "spring.datasource.password"),
        (["helm", "install", "--set", f"db.password={PASSWORD}"], "db.password"),
        (["env", f"DB_PASSWORD={PASSWORD}", "run"], "DB_PASSWORD"),
        (["sh", "-c", f"mysql -u root -p{PASSWORD} shop"], "-p password"),
        (["sh", "-c", f"export DB_PASSWORD={PASSWORD}; exec ./run"], "DB_PASSWORD"),
        (["/bin/bash", "-ec", f'PGPASSWORD="{PASSWORD}" psql -h db'], "PGPASSWORD"),
        (["sh", "-c", "curl -H 'Authorization: Bearer abcdef123456789' https://x.example.com"], "authorization token"),
        (["sh", "-c", "sh -c 'redis-cli -a hunter22x ping'"], "-a password"),
        (["sh", "-c", f"run --token {PASSWORD} && true"], "--token"),
        ([f"--url=postgres://a:{PASSWORD}@db/x"], "--url"),
        (["serve", f"postgres://a:{PASSWORD}@db/x"], "argument 2"),
    ],
)
def test_a_secret_in_a_command_is_told_by_its_flag(command: list[str], told: str) -> None:
    found = of_words(command)
    assert found.holding == [told]
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["--password", "$(DB_PASSWORD)"],
        ["--password-file", "/etc/x"],
        ["--password-stdin"],
        ["--no-password"],
        ["--token", "--verbose"],
        ["--auth-token", "/var/run/x/token"],
        ["mkdir", "-p", "/data/x"],
        ["psql", "-p", "5432"],
        ["docker", "run", "-p", "8080:80", "x"],
        ["sh", "-c", "mkdir -p /data && ssh -p 2222 x"],
        ["sh", "-c", "DB_PASSWORD=$PW ./run"],
        ["sh", "-c", 'redis-cli -a "$REDIS_PASSWORD" ping'],
        ["sh", "-c", "PW=$(cat /run/secrets/x); mysql -p$PW"],
        ["sh", "-c", "echo $password | docker login --password-stdin"],
        ["sh", "-c", "# password: is asked below\nexec run"],
        ["nginx", "-g", "daemon off;"],
        ["--max-tokens", "100000"],
        ["--kubeconfig", "/etc/kubernetes/scheduler.conf"],
        ["--tls-private-key-file=/etc/x.key"],
        ["--service-account-key-file=/etc/x.pub"],
        ["--feature-gates=Token=true"],
        ["echo", "the password is asked for"],
    ],
)
def test_what_only_says_where_a_secret_is_holds_none(command: list[str]) -> None:
    found = of_words(command)
    assert (found.holding, found.named) == ([], [])


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("DB_PASSWORD", PASSWORD, "DB_PASSWORD"),
        ("api-key", PASSWORD, "api-key"),
        ("password.txt", PASSWORD, "password.txt"),
        ("application.properties", f"spring.datasource.password={PASSWORD}\n", "application.properties spring.datasource.password"),
        (".env", f"A=1\nexport API_TOKEN='{PASSWORD}'\n", ".env API_TOKEN"),
        ("x.ini", f"[db]\npassword = {PASSWORD} ; old\n", "x.ini password"),
        ("x.toml", f'[db]\npassword = "{PASSWORD}"\n', "x.toml password"),
        ("c.yaml", f"db:\n  password: {PASSWORD}\n", "c.yaml password"),
        ("c.yaml", f"users: {{admin: {{password: {PASSWORD}}}}}\n", "c.yaml password"),
        ("c.yaml", f"env:\n- name: DB_PASSWORD\n  value: {PASSWORD}\n", "c.yaml DB_PASSWORD"),
        ("c.json", json.dumps({"db": {"password": PASSWORD}}), "c.json password"),
        ("c.json", json.dumps([{"name": "DB_PASSWORD", "value": PASSWORD}]), "c.json DB_PASSWORD"),
        ("x.xml", f"<c><password>{PASSWORD}</password></c>", "x.xml password"),
        ("run.sh", f"#!/bin/sh\nexport PASSWORD={PASSWORD}\nrun\n", "run.sh PASSWORD"),
        ("jaas.conf", f'x required username="a" password="{PASSWORD}";\n', "jaas.conf password"),
        (".netrc", f"machine x login y password {PASSWORD}\n", ".netrc password"),
        (".pgpass", f"db:5432:shop:app:{PASSWORD}\n", ".pgpass password"),
        ("kubeconfig", f"users:\n- name: a\n  user:\n    client-key-data: {packed('abc' * 9)}\n", "kubeconfig client-key-data"),
        ("x", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n", "x"),
        ("cfg", f"jdbc.url=jdbc:mysql://db/x?user=a&password={PASSWORD}\n", "cfg password"),
        ("x.php", f"$password = '{PASSWORD}';\n", "x.php password"),
    ],
)
def test_a_secret_in_a_file_is_told_by_its_key_and_name(name: str, text: str, told: str) -> None:
    for found in (of_files({name: text}), of_files(None, {name: packed(text)}), of_files({}, {name: _zipped(text)})):
        assert told in found.holding or found.holding == [name]
        assert PASSWORD not in repr(found)


def _zipped(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode())).decode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.yaml", "db:\n  password: ${DB_PASSWORD}\n"),
        ("c.yaml", "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef: {name: db, key: password}\n"),
        ("c.yaml", "passwordFile: /etc/x\ntokenTTL: 30m\nsecretName: db\n"),
        ("c.yaml", "basic_auth:\n  username: x\n  password_file: /etc/x\n"),
        ("argocd-cm", "clientSecret: $oidc.keycloak.clientSecret\n"),
        ("x.js", "const password = process.env.PASSWORD;\n"),
        ("x.py", "password = os.environ['X']\ntoken = get_token()\n"),
        ("README", "password: the password of the user is asked for\n"),
        ("run.sh", '#!/bin/sh\nPASSWORD=$1\nexport TOKEN="$(cat /x)"\n'),
        ("ca.crt", "-----BEGIN CERTIFICATE-----\nMIIabc\n-----END CERTIFICATE-----\n"),
        ("nginx.conf", "location / {\n proxy_pass http://up;\n ssl_certificate_key /etc/x.key;\n}\n"),
        ("x.ini", "# password = hunter2hunter2\n;password = hunter2hunter2\n"),
        ("LOG_LEVEL", "debug"),
        ("grafana.json", json.dumps({"panels": [{"token": "", "key": "value"}]})),
        ("c.yaml", "tls:\n  key: /etc/tls/tls.key\n  secret: |\n    name\n"),
        ("empty", ""),
    ],
)
def test_a_file_that_holds_none(name: str, text: str) -> None:
    found = of_files({name: text}, {name: packed(text)})
    assert (found.holding, found.named) == ([], [])


def test_a_placeholder_or_a_hash_is_named_and_holds_none() -> None:
    found = of_files({"a.env": "POSTGRES_PASSWORD=changeme\nADMIN_PASSWORD=$2b$12$abcdefghijklmnopqrstuv\n"})
    assert found.holding == []
    assert found.named == ["a.env POSTGRES_PASSWORD", "a.env ADMIN_PASSWORD"]


def test_what_cannot_be_read_is_unsure() -> None:
    assert of_files(None, {"x.bin": "no base64!"}).unsure == ["x.bin"]
    assert of_files(None, {"store.jks": packed("\x00\x01")}).unsure == ["store.jks"]
    assert of_files(None, {"truststore.jks": packed("\x00\x01")}).unsure == []
    assert of_files({"c.yaml": "password: {{ .Values.password }}\n"}).unsure == ["c.yaml password"]


def test_what_becomes_too_large_when_it_is_unpacked_is_unsure() -> None:
    bomb = base64.b64encode(gzip.compress(b"a" * (LARGEST + 1))).decode()
    assert decoded(bomb) is None
    assert of_files(None, {"x.gz": bomb}).unsure == ["x.gz"]
    assert of_script(bomb).unsure == ["user data"]


def test_start_scripts_of_machines() -> None:
    assert of_script(packed(f"#!/bin/bash\nexport DB_PASSWORD={PASSWORD}\n")).holding == ["user data DB_PASSWORD"]
    assert of_script(_zipped(f"#cloud-config\nchpasswd:\n  list: |\n    root:x\npassword: {PASSWORD}\n")).holding == ["user data password"]
    assert of_script(packed(f"<powershell>\n$password = '{PASSWORD}'\n</powershell>")).holding == ["user data password"]
    assert of_script(packed("#!/bin/bash\nyum update -y\n/etc/eks/bootstrap.sh main\n")) == Found()
    assert of_script("") == of_script(None) == Found()


def test_variables_with_and_without_a_value_that_can_be_seen() -> None:
    found = of_settings([("A", "1"), ("DB_PASSWORD", PASSWORD), ("TOKEN", None), ("CONFIG", json.dumps({"password": PASSWORD}))])
    assert found.holding == ["DB_PASSWORD", "CONFIG password"]
    assert found.unsure == ["TOKEN"]


@given(st.lists(st.text(), max_size=5), st.dictionaries(st.text(), st.text(), max_size=3))
def test_no_words_and_no_text_break_it(command: list[str], files: dict[str, str]) -> None:
    of_words(command)
    of_files(files, files)
    of_script(packed("\n".join(command)))


@given(st.lists(st.from_regex(r"[a-zA-Z0-9./:=-]{1,12}", fullmatch=True), min_size=1, max_size=6))
def test_a_shell_reads_quoted_words_as_they_were(found: list[str]) -> None:
    assert list(words.shell_words(" ".join(f"'{each}'" for each in found))) == found
    assert list(words.shell_words(" ".join(f'"{each}"' for each in found))) == found


# ---- nothing is gone over again and again ----------------------------------------------------------------------------------


def _patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for module in (lines, names, values, words):
        for name, value in sorted(vars(module).items()):
            if isinstance(value, re.Pattern):
                yield f"{module.__name__.rpartition('.')[2]}.{name}", value


PIECES = (
    "a",
    "A",
    "1",
    "a=",
    "a: ",
    "a://",
    "://a:",
    ":",
    "@",
    "/",
    "//",
    "$",
    "${",
    "${a}",
    "$(",
    "$(a)",
    "`",
    "{{",
    "}}",
    "'",
    '"',
    " ",
    "\\",
    "-a",
    "<a>",
    "</",
    "%",
    "[",
    "password ",
    "vault:",
    "a.",
    "a-",
    ".com",
    "1s",
)


SEARCHED = frozenset(
    "lines._PAIR lines._XML lines._NETRC lines._COMMENT values._VARIABLE values._BARE_VARIABLE values._LOGIN values._ORACLE values._TCP"
    " values._QUERY found._ODD found._TRUST names._PIECES words._SHELL_VARIABLE".split()
)
"""Patterns that are looked for in a text; of the others a text is tried once, from its beginning."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pattern"), [pytest.param(*each, id=each[0]) for each in _patterns()])
def test_no_text_makes_a_pattern_go_over_it_again_and_again(name: str, pattern: re.Pattern[str]) -> None:
    """A pattern may look a bounded way ahead from each place; what it must not do is to look at the whole text from each."""
    for piece in PIECES:
        for ending in ("", "\x00"):
            counts = []
            for size in (600, 1200):
                counted = Counted(pattern)
                text = piece * (size // len(piece)) + ending
                if name in SEARCHED:
                    counted.spans(text)
                else:
                    counted.match(text)
                counts.append(counted.steps)
            assert counts[1] <= 2.4 * counts[0] + 4000, (name, piece, counts)


def test_what_is_said_to_be_searched_is_there() -> None:
    assert SEARCHED - {"found._ODD", "found._TRUST"} <= {name for name, _ in _patterns()}


@given(st.integers(1, 3))
@settings(max_examples=3, deadline=None)
def test_many_settings_of_one_text_are_counted_and_no_more(times: int) -> None:
    found = of_files({"x": "a=1 " * (lines.MOST * times + 1)})
    assert found.unsure == ["x"]
