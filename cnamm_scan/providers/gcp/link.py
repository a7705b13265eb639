"""The wire to Google: a token for its hosts and no others, a new one asked for once when it is refused, requests counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from cnamm_scan import __version__
from cnamm_scan.model import Reason
from cnamm_scan.providers.gcp.answers import document_of, of_rest
from cnamm_scan.providers.gcp.hosts import Hosts
from cnamm_scan.providers.gcp.inventory import Inventory, Page
from cnamm_scan.providers.gcp.needs import Assets, Path
from cnamm_scan.providers.gcp.quota import Quota, is_of_minutes
from cnamm_scan.providers.gcp.signin import Signed
from cnamm_scan.providers.interface import Answer, CallFailedError
from cnamm_scan.providers.renewing import Renewing
from cnamm_scan.providers.sent import Sent

Json = Any
Result = TypeVar("Result")

AGENT = f"cnamm-scan/{__version__}"


class Link:
    """Asset Inventory and the REST APIs of services, asked from many threads as one who asks. One attempt a request."""

    def __init__(self, hosts: Hosts, signed: Signed, wire: Any, inventory: Inventory, sent: Sent) -> None:
        self.hosts = hosts
        self.signed = signed
        self.inventory = inventory
        self._wire = wire
        self._sent = sent
        self._renewing = Renewing(self._forgotten)
        self._lock = threading.Lock()
        self._beside: dict[str, Renewing] = {}
        """Of tokens for the directory, by their scope."""
        self._quotas: dict[str, Quota] = {}
        """Of services, as their refusals tell them: many projects are asked one after another, and one project pays for all."""

    def assets(self, assets: Assets, page: Page, ends: float | None, target: str = "") -> Answer:
        """A page of assets. Raises CallFailedError."""
        self._sent.whose(target)
        return self._ask(lambda: self.inventory.page(assets, page, self._metadata, self._sent.one, ends))

    def get(self, path: Path, scope: str, query: Mapping[str, Json], target: str) -> dict[str, Json]:
        """What stands at a path of a service's API; `scope` is encoded. Raises CallFailedError."""
        return self._ask(lambda: self._sent_to(path, scope, query, None, target), path.oauth)

    def post(self, path: Path, body: Mapping[str, Json], target: str) -> dict[str, Json]:
        """The answer to one of the questions that are asked by POST. Raises CallFailedError."""
        return self._ask(lambda: self._sent_to(path, "", {}, body, target))

    def _sent_to(self, path: Path, scope: str, query: Mapping[str, Json], body: Mapping[str, Json] | None, target: str) -> dict[str, Json]:
        url = self.hosts.url(path.service, path.beneath(scope))
        asked = urlencode({name: _plain(value) for name, value in query.items()}, doseq=True)
        headers = {
            **dict(self._metadata(path.oauth)),
            "accept": "application/json",
            "accept-encoding": "gzip",
            "user-agent": f"{AGENT} (gzip)",
        }
        if body is not None:
            headers["content-type"] = "application/json"
        quota = self._quota(path.service)
        at = quota.take()
        self._sent.whose(target)
        self._sent.one()
        came = self._wire.send(
            "GET" if body is None else "POST",
            f"{url}?{asked}" if asked else url,
            headers,
            None if body is None else msgspec.json.encode(body),
        )
        if came.status != 200:
            failure = of_rest(came.status, came.headers, came.data)
            raise quota.refused(failure, at) if is_of_minutes(failure) else failure
        quota.answered()
        return document_of(came.data)

    def _quota(self, service: str) -> Quota:
        with self._lock:
            return self._quotas.setdefault(service, Quota())

    def _metadata(self, oauth: str = "") -> list[tuple[str, str]]:
        """What is sent with each request: who asks, and who pays."""
        said = [("authorization", f"Bearer {self.signed.token(oauth)}")]
        if self.signed.quota_project:
            said.append(("x-goog-user-project", self.signed.quota_project))
        return said

    def _ask(self, call: Callable[[], Result], oauth: str = "") -> Result:
        if not oauth:
            return self._renewing.ask(call)
        with self._lock:
            renewing = self._beside.setdefault(oauth, Renewing(partial(self._forgotten, oauth)))
        try:
            return renewing.ask(call)
        except CallFailedError as failure:
            if failure.reason is not Reason.CREDENTIALS:
                raise
            # whoever has no token for the directory is signed in to Google Cloud all the same
            raise CallFailedError(Reason.DENIED, failure.code, failure.message) from failure

    def _forgotten(self, oauth: str = "") -> bool:
        """Newer credentials: the next request asks for a token."""
        self.signed.forget(oauth)
        return True

    def close(self) -> None:
        """Give connections back, and forget the token."""
        self.inventory.close()
        self._wire.close()
        self.signed.forget()


def _plain(value: Json) -> Json:
    """A parameter as a query has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return list(map(_plain, value)) if isinstance(value, list | tuple) else value
