"""AWS through boto3: one session, a client for each (service, region), one attempt a call, answers within bounds."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from cnamm_scan import __version__
from cnamm_scan.errors import CredentialsError, ProviderError
from cnamm_scan.model import Content, Reason, Region, Target
from cnamm_scan.providers.aws.documents import NORMALISERS
from cnamm_scan.providers.aws.errors import translated
from cnamm_scan.providers.aws.pages import Pager, pager_of
from cnamm_scan.providers.aws.session import HOME, Options, no_credentials, signed_in
from cnamm_scan.providers.defaults import Defaults
from cnamm_scan.providers.interface import Answer, CallFailedError, Request, Unread, code_matches
from cnamm_scan.providers.reading import Within, bounded
from cnamm_scan.providers.sdk import need
from cnamm_scan.providers.transport import asked_again
from cnamm_scan.text import address


class AwsProvider(Defaults):
    """One AWS account. Raises CredentialsError when there is nobody to ask as, ProviderError when AWS does not answer."""

    name = "aws"
    region_table: str | None = "aws.account.region"
    normalisers = NORMALISERS

    def __init__(self, options: Options) -> None:
        need("boto3", "aws")
        self.options = options
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._pagers: dict[tuple[str, str], Pager] = {}
        self._raw = threading.local()
        self._known: dict[tuple[str, str], Answer] = {}
        self._sent = 0
        self._session = signed_in(options, self._count)
        self.target = self._identify()

    def _identify(self) -> Target:
        start = self._session.region_name or HOME["aws"]
        where = address(self.options.endpoint_url or "") or f"sts in {start}"
        try:
            answer = asked_again(lambda: self.call(Request("sts", "GetCallerIdentity", start)))
        except CallFailedError as failure:
            if failure.reason is Reason.CREDENTIALS:
                raise no_credentials(self.options.called, failure.message) from failure
            if failure.reason in (Reason.REGION_DISABLED, Reason.DENIED):
                raise CredentialsError(
                    f"AWS does not accept the credentials ({failure.code})",
                    where=self.options.called,
                    do="check that they are current: aws sts get-caller-identity",
                ) from failure
            raise ProviderError(
                f"AWS cannot be reached: {failure.reason.value} ({failure.code})",
                where=where,
                do="check the network, AWS_ENDPOINT_URL and the region",
            ) from failure
        account, arn = str(answer.data.get("Account") or ""), str(answer.data.get("Arn") or "")
        _, _, rest = arn.partition(":")
        self.partition, is_arn, _ = rest.partition(":")
        if not account or not is_arn:
            raise ProviderError("AWS does not say who asks", where=where, do="check what answers there: aws sts get-caller-identity")
        self._known["sts", "GetCallerIdentity"] = answer
        return Target(f"aws:{account}", "aws", account, arn)

    def home_region(self) -> str:
        """us-east-1, or its like in another partition."""
        return HOME.get(self.partition, self._session.region_name or HOME["aws"])

    @property
    def targets(self) -> Sequence[Target]:
        """The one account."""
        return (self.target,)

    def regions(self, target: Target) -> Sequence[Region]:
        """Every region of the account, opted in or not."""
        answer = self.call(Request("ec2", "DescribeRegions", self.home_region(), {"AllRegions": True}))
        found = []
        for region in answer.data.get("Regions", []):
            opt_in = region.get("OptInStatus", "opt-in-not-required")
            is_off = opt_in == "not-opted-in"
            found.append(Region(region["RegionName"], "opt_in_off" if is_off else "enabled", "off" if is_off else "listed", opt_in))
        return sorted(found, key=lambda region: region.name)

    def default_regions(self) -> Sequence[str]:
        """The regions that every account of the partition has, as far as the SDK knows."""
        names: list[str] = self._session.get_available_regions("ec2", partition_name=self.partition)
        return names

    def variables(self, target: Target, region: str) -> Mapping[str, str]:
        """`$account`, `$region` and `$partition`."""
        return {"$account": target.name, "$region": region, "$partition": self.partition, "$target": target.id}

    def unread(self, content: Content, tables: Iterable[str]) -> Mapping[str, Unread]:
        """What the loaded botocore does not have of these tables."""
        from cnamm_scan.providers.aws.lint import unread

        return unread(content, tables, self._session._session)

    # ---- calling -----------------------------------------------------------------------------------------------------

    def call(self, request: Request) -> Answer:
        """Ask once. The answer's `next_page` follows botocore's paginators, or token members where it has none."""
        known = self._known.get((request.client, request.operation))
        if known is not None and not request.parameters:
            return known
        with translated(), Within(self.options.bounds, request.ends):
            client = self._client(request.client, request.region)
            pager = self.pager(client, request.operation)
            parameters = pager.first(request.parameters) if request.page is None else pager.following(request.parameters, request.page)
            self._raw.body = None
            try:
                data = getattr(client, pager.method)(**parameters)
            except client.exceptions.ClientError as error:
                if pager.protocol == "rest-xml" and self._raw.body and error.response.get("Error", {}).get("Code") == "500":
                    # a body without an error code: botocore makes a 500 of an answer of S3 that is cut off
                    raise CallFailedError(Reason.MALFORMED, "MalformedBody", retry=True) from error
                raise
            except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
                # botocore at a loss: with the answer, or with our request
                reason = Reason.COLLECTOR_BUG if self._raw.body is None else Reason.MALFORMED
                raise CallFailedError(reason, type(error).__name__, retry=reason is Reason.MALFORMED) from error
        metadata = data.pop("ResponseMetadata", {})
        if not (data.keys() - {"message"}) & pager.body:  # botocore also puts a body that it cannot read under `message`
            self._refuse_cut_body(pager)
        return Answer(data, metadata.get("RequestId") or metadata.get("HTTPHeaders", {}).get("x-amzn-requestid", ""), pager.next_page(data))

    def pager(self, client: Any, operation: str) -> Pager:
        """How an operation is asked and continued; worked out once for all regions."""
        key = (client.meta.service_model.service_name, operation)
        known = self._pagers.get(key)
        if known is None:
            known = self._pagers[key] = pager_of(client, operation)
        return known

    def _client(self, service: str, region: str) -> Any:
        key = (service, region)
        client = self._clients.get(key)
        if client is not None:
            return client
        from botocore import __version__ as botocore_version
        from botocore.config import Config

        with self._lock:  # sessions make clients one at a time; clients are used by many threads
            client = self._clients.get(key)
            if client is None:
                has_endpoint = self.options.endpoint_url is not None or _environment_endpoint()
                config = Config(
                    retries={"total_max_attempts": 1, "mode": "standard"},  # the engine retries: its waits hold no thread
                    connect_timeout=min(5.0, self.options.call_timeout),
                    read_timeout=self.options.call_timeout,
                    max_pool_connections=self.options.connections,
                    parameter_validation=False,  # content lint checks names; types come from answers
                    inject_host_prefix=not has_endpoint,
                    user_agent=f"cnamm-scan/{__version__} Botocore/{botocore_version}",  # else it is put together anew for each call
                    s3={"addressing_style": "path"} if has_endpoint else None,
                )
                try:
                    client = self._session.client(service, region_name=region, endpoint_url=self.options.endpoint_url, config=config)
                except ValueError as error:  # an endpoint in the environment or a profile that is no URL
                    raise CallFailedError(Reason.UNREACHABLE, "InvalidEndpoint") from error
                http = client._endpoint.http_session
                http._pool_classes_by_scheme = http._manager.pool_classes_by_scheme = bounded(http._pool_classes_by_scheme)
                client.meta.events.register("before-parse", self._keep_raw)
                if has_endpoint and service == "s3control":
                    client.meta.events.register("before-call.s3-control", _keep_host(client.meta.endpoint_url))
                self._clients[key] = client
        return client

    def _count(self, **_: Any) -> None:
        """botocore makes a request for each attempt, its own redirects and the calls that sign in among them."""
        with self._counting:
            self._sent += 1

    def sent(self) -> Mapping[str, int]:
        """Requests that were made, all for the one account."""
        return {self.target.id: self._sent}

    def _keep_raw(self, response_dict: Mapping[str, Any], **_: Any) -> None:
        self._raw.body = response_dict.get("body")

    def _refuse_cut_body(self, pager: Pager) -> None:
        """botocore reads an empty, cut-off or foreign body of a 200 as `{}` without a word; that would look like "not configured"."""
        body = getattr(self._raw, "body", None)
        if not pager.body or not isinstance(body, bytes):
            return
        if pager.protocol.startswith(("json", "rest-json")) or pager.protocol.endswith("json"):
            try:
                is_whole = isinstance(json.loads(body), dict)
            except (ValueError, RecursionError):
                is_whole = False
            if not is_whole:
                raise CallFailedError(Reason.MALFORMED, "MalformedBody", retry=True)
        elif not body.strip():
            raise CallFailedError(Reason.MALFORMED, "EmptyBody", retry=True)
        elif b"<html" in body[:500].lower():  # a page of something in between
            raise CallFailedError(Reason.MALFORMED, "MalformedBody", retry=True)

    def matches(self, failure: CallFailedError, codes: Sequence[str]) -> bool:
        """`Code`, or `Code: words in the message`."""
        return code_matches(failure, codes)

    # ---- readers -----------------------------------------------------------------------------------------------------

    def read(self, name: str, request: Request) -> Answer:
        """The named readers of collectors."""
        readers: dict[str, Callable[[Request], Iterator[Mapping[str, Any]]]] = {"iam_credential_report": self._credential_report}
        if name not in readers:
            raise CallFailedError(Reason.COLLECTOR_BUG, f"no reader {name}")
        return Answer(list(readers[name](request)))

    def _credential_report(self, request: Request) -> Iterator[Mapping[str, Any]]:
        """Rows of the credential report by its own column names, each with when it was made; what AWS marks as not known is left out.

        The report is made when it is asked for and AWS makes it at most every four hours: ask, then wait for it.
        """
        patience = time.monotonic() + 30
        make, get = (replace(request, client="iam", operation=f"{verb}CredentialReport", page=None) for verb in ("Generate", "Get"))
        while self.call(make).data.get("State") != "COMPLETE":
            if time.monotonic() > patience:
                raise CallFailedError(Reason.TIMED_OUT, "ReportInProgress")
            time.sleep(0.5)
        report = self.call(get).data
        content, made_at = report.get("Content", b""), report.get("GeneratedTime")
        text = content.decode() if isinstance(content, bytes) else str(content)
        for row in csv.DictReader(io.StringIO(text)):
            told = {name: value for name, value in row.items() if value not in ("N/A", "no_information", "not_supported", "")}
            yield {**told, "GeneratedTime": made_at} if made_at is not None else told

    # ---- around a scan -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every client's connections and forget them: a judge wants the memory that they held."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


def _keep_host(endpoint: str) -> Callable[..., None]:
    """S3 Control puts the account id before the host name by its endpoint rules; with an endpoint URL the host is what it says."""

    def handler(params: dict[str, Any], **_: Any) -> None:
        path = urlsplit(params["url"])
        params["url"] = endpoint.rstrip("/") + path.path + (f"?{path.query}" if path.query else "")

    return handler


def _environment_endpoint() -> bool:
    import os

    return any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ)
