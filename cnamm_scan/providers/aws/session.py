"""Signing in to AWS: the profile, the role to take on, and what to say where there are no credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cnamm_scan.errors import CredentialsError, UsageError, did_you_mean
from cnamm_scan.providers.bounds import BOUNDS, Bounds

HOME = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""Where each partition answers for what exists once in an account."""

OWN_CALLS = (
    ("ec2", "DescribeRegions"),
    ("iam", "GenerateCredentialReport"),
    ("iam", "GetCredentialReport"),
)
"""What the provider and its readers ask by themselves."""

SIGNING_IN = ("sts", "sso", "sso-oidc", "signin")
"""Services that botocore's own ways of signing in use, with operations that no plan names: their descriptions stay whole."""

CREDENTIALS_TRIED = "environment variables, shared config and credentials files, SSO, web identity, container and instance roles"


@dataclass(frozen=True, slots=True)
class Options:
    """How to reach AWS. `endpoint_url` sends every service there (also AWS_ENDPOINT_URL)."""

    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    endpoint_url: str | None = None
    call_timeout: float = 20.0
    """Seconds to wait for one answer."""
    connections: int = 16
    operations: Mapping[str, frozenset[str]] | None = None
    """The operations that will be asked, by client; the SDK then reads no more than these. None: all."""
    bounds: Bounds = BOUNDS

    @property
    def called(self) -> str:
        """The target, as it was named."""
        return f"aws:{self.profile}" if self.profile else "aws"


def signed_in(options: Options, count: Callable[..., None]) -> Any:
    """A boto3 session as somebody; `count` hears of each request that is made.

    Raises UsageError for a profile that does not exist and files that cannot be parsed, CredentialsError for a role that nobody can take.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ProfileNotFound
    from botocore.session import Session

    inner = Session(profile=options.profile)
    inner.register("request-created", count)
    try:
        if options.operations is not None:
            from cnamm_scan.providers.aws.loader import LeanLoader

            asked = {client: {*operations} for client, operations in options.operations.items()}
            for client, operation in OWN_CALLS:
                asked.setdefault(client, set()).add(operation)
            wanted = {client: frozenset(operations) for client, operations in asked.items() if client not in SIGNING_IN}
            inner.register_component("data_loader", LeanLoader(inner.get_component("data_loader"), wanted))
        session = boto3.Session(botocore_session=inner)
        inner.get_scoped_config()  # parsed, and the profile found in it, here and now: a region in the environment puts it off
    except ProfileNotFound as error:
        known = boto3.Session().available_profiles
        raise UsageError(
            f"no AWS profile '{options.profile}'",
            where=f"aws:{options.profile}",
            do=did_you_mean(options.profile or "", known),
        ) from error
    except BotoCoreError as error:  # files of the person's own: a configuration that cannot be parsed
        do = "mend it, and check with: aws configure list"
        raise UsageError(f"AWS cannot be set up: {error}", where=options.called, do=do) from error
    if options.role_arn:
        session = _assume(session, options, count)
    return session


def _assume(base: Any, options: Options, count: Callable[..., None]) -> Any:
    """A session of the role, whose credentials renew themselves while the scan runs."""
    import boto3
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.session import Session

    extra = {"RoleSessionName": "cnamm-scan"}
    if options.external_id:
        extra["ExternalId"] = options.external_id
    source = base.get_credentials()
    if source is None:
        raise no_credentials(options.called)
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=lambda service, **kwargs: base.client(service, endpoint_url=options.endpoint_url, **kwargs),
        source_credentials=source,
        role_arn=options.role_arn,
        extra_args=extra,
    )
    inner = Session()
    inner.register("request-created", count)
    inner.register_component("data_loader", base._session.get_component("data_loader"))
    inner._credentials = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
    inner.set_config_variable("region", base.region_name or HOME["aws"])
    return boto3.Session(botocore_session=inner)


def no_credentials(where: str, message: str = "") -> CredentialsError:
    """What to say where there is nobody to ask as; `message` is the SDK's."""
    detail = f" ({message})" if message else ""
    return CredentialsError(
        f"no usable AWS credentials{detail}",
        where=f"{where}; tried {CREDENTIALS_TRIED}",
        do="sign in (aws sso login, or AWS_PROFILE=…) and check with: aws sts get-caller-identity",
    )
