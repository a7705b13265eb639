"""Tells which AWS operation a signed request asks for, from botocore's own service models."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

HEAD_BYTES = 6_000  # `metadata` stands at the head of every service model, well within this
TOKEN_NAME = re.compile(
    r"(?i)(next-?_?page-?_?token|page-?_?token|next-?_?token|pagination-?_?token|continuation-?_?token"
    r"|next-?_?marker|(key|version-id|upload-id)-marker|marker|exclusive-?start\w*)$"
)
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]*)/([^/]+)/aws4_request")
_METADATA = re.compile(rb'"metadata"\s*:\s*')
_PLACEHOLDER = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True)
class Request:
    """One HTTP request as bytes, with the few headers (lower-case names) that the proxy looks at."""

    method: str
    target: str  # path and query, as on the request line
    headers: dict[str, str]
    body: bytes
    raw: bytes = b""

    @property
    def path(self) -> str:
        """The path without the query, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded query pairs."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)


@dataclass(frozen=True)
class Identity:
    """Who is asked what: boto3's client name, region, operation; and the protocol to answer in.

    Fields are "" where the request does not tell, as in an unsigned one.
    """

    service: str = ""
    region: str = ""
    operation: str = ""
    protocol: str = ""  # json · query · ec2 · rest-json · rest-xml · smithy-rpc-v2-cbor
    signing_name: str = ""
    query_compatible: bool = False


@dataclass(frozen=True)
class Service:
    """What the head of a service model says."""

    name: str
    signing_name: str
    api_version: str
    target_prefix: str
    protocol: str
    query_compatible: bool


@dataclass(frozen=True)
class _Route:
    """One REST operation: how its requests look."""

    operation: str
    pattern: re.Pattern[str]
    query: dict[str, str] = field(hash=False)  # literal query of the template, "" = any value
    required_query: frozenset[str]
    required_headers: frozenset[str]
    literal: int  # characters of the template that are no placeholder
    is_deprecated: bool

    def weight(self, query: dict[str, str], headers: dict[str, str]) -> tuple[int, int, int, int] | None:
        """How well a request of the right method and path fits; None when it does not."""
        for key, value in self.query.items():
            if key not in query or (value and query[key] != value):
                return None
        if not (self.required_query <= query.keys() and self.required_headers <= headers.keys()):
            return None
        demands = len(self.required_query) + len(self.required_headers)
        return (len(self.query), self.literal, demands, -int(self.is_deprecated))


def identify(request: Request) -> Identity:
    """Name the operation of a request; the models it needs are loaded on first use and kept."""
    scope = _SCOPE.search(request.headers.get("authorization", "") or unquote(request.target))
    if scope is None:
        return Identity()
    region, signing = scope.groups()
    candidates = services().get(signing, ())
    if not candidates:
        return Identity(signing, region, "", "", signing)
    target = request.headers.get("x-amz-target", "")
    if target:
        prefix, _, operation = target.rpartition(".")
        return _made(_by(candidates, "target_prefix", prefix), region, operation, "json")
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        _, _, prefix, _, operation = (request.path.split("/") + [""] * 5)[:5]
        return _made(_by(candidates, "target_prefix", prefix), region, operation, "smithy-rpc-v2-cbor")
    if request.body.startswith(b"Action=") or b"&Action=" in request.body:
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        service = _by(candidates, "api_version", form.get("Version", ""))
        return _made(service, region, form["Action"], "ec2" if service.protocol == "ec2" else "query")
    return _by_route(request, region, candidates)


def has_page_token(request: Request, identity: Identity) -> bool:
    """Whether the request asks for a later page of a listing.

    Names come from the operation's paginator, and from the usual words for those that have none.
    """
    names = {name for name, _ in request.query}
    if identity.protocol in {"query", "ec2"}:
        names |= {name for name, _ in parse_qsl(request.body.decode("utf-8", "replace"))}
    elif identity.protocol in {"json", "rest-json"} and request.body[:1] == b"{":
        names |= json.loads(request.body).keys()
    tokens = paginator_tokens(identity.service, identity.operation)
    if identity.protocol == "smithy-rpc-v2-cbor":
        return any(token.encode() in request.body for token in tokens | {"NextToken"})
    return any(name in tokens or TOKEN_NAME.match(name) for name in names)


@cache
def services() -> dict[str, tuple[Service, ...]]:
    """All services of botocore by signing name; those named like it come first. About 80 ms, once."""
    found: dict[str, list[Service]] = {}
    root = Path(import_module("botocore.loaders").Loader.BUILTIN_DATA_PATH)
    for folder in sorted(root.iterdir()):
        models = sorted(folder.glob("*/service-2.json.gz"))
        if not models:
            continue
        service = _head(folder.name, models[-1])
        found.setdefault(service.signing_name, []).append(service)
    common = ("rds", "elbv2", "opensearch", "sesv2")  # where nothing in the request tells siblings apart
    for signing, group in found.items():
        group.sort(key=lambda s: (s.name != signing, s.name not in common, s.name))
    return {signing: tuple(group) for signing, group in found.items()}


@cache
def paginator_tokens(service: str, operation: str) -> frozenset[str]:
    """The names, on the wire, of the members that carry an operation's page token."""
    loaders = import_module("botocore.loaders")
    errors = import_module("botocore.exceptions")
    try:
        pages = loaders.create_loader().load_service_model(service, "paginators-1")["pagination"]
        page = pages[operation]
    except (errors.DataNotFoundError, KeyError):
        return frozenset()
    given = page.get("input_token", [])
    names = {given} if isinstance(given, str) else set(given)
    model = service_model(service)
    shape = model["operations"][operation].get("input", {}).get("shape", "")
    members = model["shapes"].get(shape, {}).get("members", {})
    return frozenset(names | {members.get(name, {}).get("locationName", name) for name in names})


def _head(name: str, path: Path) -> Service:
    with gzip.open(path) as stream:
        head = stream.read(HEAD_BYTES)
        start = _METADATA.search(head)
        if start is None:  # a model in another order: read it whole
            head += stream.read()
            start = _METADATA.search(head)
    assert start is not None, path
    text = head[start.end() :].decode("utf-8", "ignore")
    metadata: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
    return Service(
        name=name,
        signing_name=metadata.get("signingName", metadata["endpointPrefix"]),
        api_version=metadata["apiVersion"],
        target_prefix=metadata.get("targetPrefix", ""),
        protocol=metadata["protocol"],
        query_compatible="awsQueryCompatible" in metadata,
    )


def _by(candidates: tuple[Service, ...], attribute: str, value: str) -> Service:
    """The first candidate with this value, else the first."""
    return next((s for s in candidates if getattr(s, attribute) == value), candidates[0])


def _made(service: Service, region: str, operation: str, protocol: str) -> Identity:
    return Identity(service.name, region, operation, protocol, service.signing_name, service.query_compatible)


def _by_route(request: Request, region: str, candidates: tuple[Service, ...]) -> Identity:
    query = dict(request.query)
    path = unquote(request.path)
    best: tuple[tuple[int, int, int, int], Service, str] | None = None  # of all services: S3's paths also fit those of S3 Control
    for service in candidates:
        if not service.protocol.startswith("rest-"):
            continue
        for route in _routes(service.name).get(request.method, ()):
            if route.pattern.fullmatch(path) is None:
                continue
            weight = route.weight(query, request.headers)
            if weight is not None and (best is None or weight > best[0]):
                best = (weight, service, route.operation)
    if best is not None:
        return _made(best[1], region, best[2], best[1].protocol)
    return _made(candidates[0], region, "", candidates[0].protocol)


@cache
def service_model(service: str) -> dict[str, Any]:
    """A service's model as botocore ships it; kept, and not to be changed."""
    loaded: dict[str, Any] = import_module("botocore.loaders").create_loader().load_service_model(service, "service-2")
    return loaded


@cache
def _routes(service: str) -> dict[str, tuple[_Route, ...]]:
    """A service's REST operations by HTTP method."""
    model = service_model(service)
    found: dict[str, list[_Route]] = {}
    for name, operation in model["operations"].items():
        template: str = operation["http"]["requestUri"]
        path, _, literal_query = template.partition("?")
        shape = model["shapes"].get(operation.get("input", {}).get("shape", ""), {})
        required = [(m, shape["members"][m]) for m in shape.get("required", ())]
        in_query = {m.get("locationName", n) for n, m in required if m.get("location") == "querystring"}
        in_header = {m["locationName"].lower() for _, m in required if m.get("location") == "header"}
        found.setdefault(operation["http"]["method"], []).append(
            _Route(
                operation=name,
                pattern=_pattern(path),
                query=dict(parse_qsl(literal_query, keep_blank_values=True)),
                required_query=frozenset(in_query),
                required_headers=frozenset(in_header),
                literal=len(_PLACEHOLDER.sub("", path)),
                is_deprecated=bool(operation.get("deprecated")),
            )
        )
    return {method: tuple(routes) for method, routes in found.items()}


def _pattern(path: str) -> re.Pattern[str]:
    """A template such as /{Bucket}/{Key+} as a regular expression; values may hold encoded slashes."""
    parts = _PLACEHOLDER.split(path.rstrip("/"))
    literals, names = parts[::2], parts[1::2]
    text = re.escape(literals[0])
    for name, literal in zip(names, literals[1:], strict=True):
        text += (".+" if name.endswith("+") else "[^/]+") + re.escape(literal)
    return re.compile(text + "/?")
