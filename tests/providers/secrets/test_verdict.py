"""Settings by name and value: what is a secret, what only says where one is, and what nobody can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.secrets.names import Says, says, words_of
from cnamm_scan.providers.secrets.values import Kind, value_says
from cnamm_scan.providers.secrets.verdict import Is, judge

PLAIN_SECRET = "kJ8s-wQz41"

SECRET_NAMES = (
    "PASSWORD DB_PASS SMTP_PASS PASSWORD1 password2 dbPassword db.password spring.datasource.password APP_KEY ENCRYPTION_KEY"
    " apikey API_KEY apiKey APIKey AWSSecretKey AWS_SECRET_ACCESS_KEY AZURE_STORAGE_ACCOUNT_KEY JWT JWT_SECRET REDIS_AUTH"
    " NEO4J_AUTH PGPASSWORD MYSQL_PWD MYSQL_ROOT_PASSWORD SPRING_DATASOURCE_PASSWORD_PROD API_KEY_V2 TOKEN_2 GITHUB_TOKEN"
    " client-secret clientSecret SECRET_KEY_BASE --password --api-key stripe.secretKey TLS_PRIVATE_KEY signing_key SESSION_SECRET"
    " COOKIE_KEY DJANGO_SECRET_KEY keystorePassword ldap_bind_password BIND_PW adminPassword rootpw REGISTRY_AUTH ACCESS_TOKEN"
    " refreshToken bearer-token BOT_TOKEN PASSPHRASE gpg_passphrase CREDENTIALS creds WEBHOOK_SECRET PASSWORD_BASE64 TOKEN_VALUE"
    " OAUTH_CLIENT_SECRET_STAGING KENNWORT PRIVATE_KEY_PEM id_rsa server.key .npmrc config/.dockerconfigjson client-key-data"
    " RAILS_MASTER_KEY SLACK_API_TOKENS KEYCLOAK_ADMIN_PASSWORD MONKEY_TOKEN"
).split()
OTHER_NAMES = (
    "LOG_LEVEL KEY_ID AWS_ACCESS_KEY_ID PASSWORD_FILE DB_PASSWORD_FILE SECRET_NAME SECRET_ARN TOKEN_URL TOKEN_TTL TOKEN_ENDPOINT"
    " PUBLIC_KEY STRIPE_PUBLISHABLE_KEY CACHE_KEY PARTITION_KEY sort-key PRIMARY_KEY OBJECT_KEY S3_KEY HASH_KEY IDEMPOTENCY_KEY KEY"
    " KEYBOARD KEYSPACE COMPASS BYPASS PASSENGER PASSTHROUGH AUTHOR TOKENIZER SECRETARY MONKEY KEYCLOAK_URL proxy_pass NEXT_TOKEN"
    " page-token csrf_token MAX_TOKENS max_completion_tokens SSH_AUTH_SOCK PASSWORD_MIN_LENGTH PASSWORD_POLICY REQUIRE_PASSWORD"
    " USE_TOKEN NO_PASSWORD SECRET_PATH tls.crt ca.crt AUTH_MODE BASIC_AUTH_ENABLED CREDENTIALS_PROVIDER secretRef SECRET_VERSION"
    " TOKEN_ISSUER TOKEN_AUDIENCE KEY_ROTATION_DAYS SECRET_STORE ENCRYPTION_KEY_ALIAS ACCESS_TOKEN_LIFETIME PASSWORD_RESET_URL"
    " public.key.id NEO4J_HOST"
).split()


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_that_stands_for_a_secret_makes_its_value_one(name: str) -> None:
    assert says(name) is Says.SECRET
    assert judge(name, PLAIN_SECRET).is_ is Is.SECRET
    assert judge(name, None).is_ is Is.UNKNOWN


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_a_name_of_something_near_a_secret_says_nothing(name: str) -> None:
    assert says(name) is Says.NOTHING
    assert judge(name, PLAIN_SECRET).is_ is Is.PLAIN
    assert judge(name, None).is_ is Is.PLAIN


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NEO4J_AUTH", ("neo4j", "auth")),
        ("dbPassword", ("db", "password")),
        ("AWSSecretKey", ("aws", "secret", "key")),
        ("spring.datasource-url", ("spring", "datasource", "url")),
        ("PASSWORD1", ("password",)),
        ("X509", ("x509",)),
        ("", ()),
        ("---", ()),
    ],
)
def test_words_of_a_name(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


@given(
    st.sampled_from([name for name in SECRET_NAMES[:25] if not name.endswith("BASE")]),
    st.sampled_from(["prod", "STAGING", "2", "v2", "old", "default"]),
)
def test_which_of_several_it_is_changes_nothing(name: str, behind: str) -> None:
    assert says(f"{name}_{behind}") is Says.SECRET


@given(st.sampled_from([*SECRET_NAMES[:40], *OTHER_NAMES]))
def test_case_changes_nothing_where_words_have_signs_between(name: str) -> None:
    if "_" in name and name.upper() == name and not name.endswith("BASE"):
        assert says(name.lower()) is says(name)
        assert says(name.lower().replace("_", "-")) is says(name)
        assert says(name.lower().replace("_", ".")) is says(name)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ("hunter2", Is.SECRET),
        ("123456", Is.SECRET),
        ("a b c d e f", Is.SECRET),
        ("Tr0ub4dor&3$x", Is.SECRET),
        ("pa$$w0rd99", Is.SECRET),
        ("/9j4AAQ+kZ==", Is.SECRET),
        ("base64:9b2d1c0e5a7d4e2f9b6c1d0a8f3b1c0e", Is.SECRET),
        ("8f3b1c0e-5a7d-4e2f-9b6c-1d0a8f3b1c0e", Is.SECRET),
        ("${DB_PASSWORD:hunter2hunter2}", Is.SECRET),
        ("", Is.EMPTY),
        ('""', Is.EMPTY),
        ("***", Is.EMPTY),
        ("xxxxxxxx", Is.EMPTY),
        ("<password>", Is.EMPTY),
        ("your-password-here", Is.EMPTY),
        ("REPLACE_ME", Is.EMPTY),
        ("changeme", Is.PLACEHOLDER),
        ("change-me", Is.PLACEHOLDER),
        ("password", Is.PLACEHOLDER),
        ("Password123", Is.PLACEHOLDER),
        ("admin", Is.PLACEHOLDER),
        ("$(DB_PASSWORD)", Is.REFERENCE),
        ("${DB_PASSWORD}", Is.REFERENCE),
        ("${DB_PASSWORD:-}", Is.REFERENCE),
        ("$DB_PASSWORD", Is.REFERENCE),
        ("Bearer $(TOKEN)", Is.REFERENCE),
        ("$oidc.keycloak.clientSecret", Is.REFERENCE),
        ("arn:aws:secretsmanager:eu-west-1:111122223333:secret:db", Is.REFERENCE),
        ("{{resolve:ssm-secure:db:1}}", Is.REFERENCE),
        ("@Microsoft.KeyVault(SecretUri=https://x.vault.azure.net/secrets/db)", Is.REFERENCE),
        ("projects/1/secrets/db/versions/latest", Is.REFERENCE),
        ("vault:secret/data/db#password", Is.REFERENCE),
        ("ref+awssecrets://db/password", Is.REFERENCE),
        ("op://vault/db/password", Is.REFERENCE),
        ("/run/secrets/db", Is.REFERENCE),
        ("{{ .Values.password }}", Is.UNKNOWN),
        ("$2b$12$abcdefghijklmnopqrstuv", Is.HASH),
        ("$argon2id$v=19$m=65536$abc", Is.HASH),
        ("{SSHA}abcdef", Is.HASH),
        ("true", Is.PLAIN),
        ("none", Is.PLAIN),
        ("4242", Is.PLACEHOLDER),
        ("30s", Is.PLAIN),
        ("1h30m", Is.PLAIN),
        ("/etc/app/password", Is.PLAIN),
        ("./secrets/db.txt", Is.PLAIN),
        ("db.internal", Is.PLAIN),
        ("db.shop.svc.cluster.local:5432", Is.PLAIN),
        ("https://login.example.com/oauth", Is.PLAIN),
        ("-----BEGIN PUBLIC KEY-----\nabc", Is.PLAIN),
        ("ssh-ed25519 AAAAC3Nz bob", Is.PLAIN),
        ("ENC[AES256_GCM,data:abc]", Is.PLAIN),
        ("$ANSIBLE_VAULT;1.1;AES256", Is.PLAIN),
    ],
)
def test_what_stands_under_the_name_of_a_secret(value: str, verdict: Is) -> None:
    assert judge("DB_PASSWORD", value).is_ is verdict


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("postgres://app:hunter2hunter2@db/app", "login in an address"),
        ("redis://:hunter22@cache:6379/0", "login in an address"),
        ("https://me:p%40ss@git.example.com/x", "login in an address"),
        ("app:hunter22@tcp(db:3306)/shop", "login in an address"),
        ("scott/tiger99@//db:1521/x", "login in an address"),
        ("Server=db;User Id=sa;Password=hunter2hunter2;", "named value"),
        ("host=db password=hunter22 dbname=x", "named value"),
        ("DefaultEndpointsProtocol=https;AccountKey=" + "aB3+" * 21 + "==", "named value"),
        ("https://hooks.example.com/x?token=abcd1234efgh", "named value"),
        ("postgres://a:${P}@one,postgres://a:hunter22@two", "login in an address"),
    ],
)
def test_a_login_is_one_whatever_the_name(value: str, shape: str) -> None:
    found = judge("TARGET", value)
    assert (found.is_, found.shape, found.by_name) == (Is.SECRET, shape, False)


@pytest.mark.parametrize(
    "value",
    [
        "postgres://app@db/app",
        "postgres://app:$(DB_PASSWORD)@db/app",
        "postgres://app:${DB_PASSWORD}@db/app",
        "postgres://app:***@db/app",
        "postgres://app:<password>@db/app",
        "Server=db;Integrated Security=true",
        "host=db password=${PW}",
        "https://x.example.com/?token_type=bearer&page=2",
        "nginx@sha256:" + "0" * 64,
        "AKIAIOSFODNN7EXAMPLE",
        "0f" * 32,
        "8f3b1c0e-5a7d-4e2f-9b6c-1d0a8f3b1c0e",
        "https://abcdef0123456789@o1.ingest.sentry.io/1",
        "arn:aws:iam::111122223333:role/x",
        "a@b.example.com",
    ],
)
def test_what_holds_no_secret_is_plain(value: str) -> None:
    assert judge("TARGET", value).is_ is Is.PLAIN


def test_a_form_that_hashes_share_counts_under_its_vendors_name() -> None:
    key = "key-" + "0123456789abcdef" * 2
    assert judge("MAILGUN_API", key).shape == "Mailgun key"
    assert judge("ETAG", key).is_ is Is.PLAIN


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("DB_SECRET", "shop-db", Is.UNKNOWN),
        ("TLS_SECRET", "web-tls", Is.REFERENCE),
        ("CREDENTIALS", "shop-db-credentials", Is.REFERENCE),
        ("DB_PASSWORD", "shop-db", Is.SECRET),
        ("CLIENT_SECRET", "hunter2hunter2", Is.SECRET),
        ("DB_PASSWORD", "db-password", Is.PLACEHOLDER),
    ],
)
def test_the_name_of_a_secret_is_none(name: str, value: str, verdict: Is) -> None:
    assert judge(name, value).is_ is verdict


def test_a_name_that_was_seen_among_secrets_is_a_reference() -> None:
    assert judge("DB_PASSWORD", "shop-db", {"shop-db"}).is_ is Is.REFERENCE


@given(st.text(), st.text())
def test_every_setting_has_one_verdict_and_nothing_of_its_value_is_kept(name: str, value: str) -> None:
    found = judge(name, value)
    assert judge(name, value) == found
    assert found.length in ("", "short", "middle", "long")
    if len(value) > 24:
        assert value not in repr(found)


@given(st.sampled_from(SECRET_NAMES), st.from_regex(r"[A-Za-z0-9]{7}[0-9][A-Z][a-z]{3}", fullmatch=True))
def test_quotes_and_spaces_around_a_value_change_nothing(name: str, value: str) -> None:
    assert judge(name, f'"{value}"').is_ is judge(name, value).is_ is judge(name, f"  {value}\n").is_


def test_kinds_have_samples() -> None:
    samples = ["", "$(A)", "{{ a }}", "changeme", "$6$a$b", "ENC[x]", "ghp_" + "a1" * 18, "true", PLAIN_SECRET]
    assert {value_says(each).kind for each in samples} == set(Kind)


@pytest.mark.parametrize(("name", "value"), [("POSTGRES_PASSWORD", "1234"), ("db_pass", "123"), ("DB_PASSWORD", "abc"), ("SA_PWD", "sa")])
def test_a_short_password_is_one_that_everybody_tries(name: str, value: str) -> None:
    assert judge(name, value).is_ is Is.PLACEHOLDER


@pytest.mark.parametrize(("name", "value"), [("DB_PORT", "5432"), ("TOKEN", "3600"), ("RESET_PASSWORD", "1"), ("SHOW_PASSWORD", "123")])
def test_a_number_under_another_name_is_none(name: str, value: str) -> None:
    assert judge(name, value).is_ is Is.PLAIN
