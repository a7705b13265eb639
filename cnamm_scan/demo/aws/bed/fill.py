"""Answers in AWS's protocols, made from botocore's output shapes: an empty account's, or one that is given."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any
from xml.sax.saxutils import escape

from cnamm_scan.demo.aws.bed.identify import TOKEN_NAME, Identity, service_model
from cnamm_scan.demo.aws.bed.refusals import REQUEST_ID

READS = re.compile(r"(List|Describe|Get|BatchGet|Search|Lookup)[A-Z]")
_ZEROS: dict[str, Any] = {
    "boolean": False,
    "integer": 0,
    "long": 0,
    "float": 0.0,
    "double": 0.0,
    "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
    "blob": b"",
}


@dataclass(frozen=True)
class Filled:
    """An answer of status 200."""

    headers: Mapping[str, str]
    body: bytes


def is_read(identity: Identity) -> bool:
    """Whether the operation only looks, so that an empty answer can be made up for it."""
    return READS.match(identity.operation) is not None and _operation(identity.service, identity.operation) is not None


def empty(identity: Identity) -> dict[str, Any]:
    """What an account that has none of it answers: empty lists, and zeros where something must stand; no token."""
    shape = _operation(identity.service, identity.operation).output_shape
    return {} if shape is None else _nothing(shape)


def _nothing(shape: Any) -> dict[str, Any]:
    made = {}
    for name, member in shape.members.items():
        if member.type_name in {"list", "map"} or (name in shape.required_members and not TOKEN_NAME.match(name)):
            made[name] = _zero(member)
    return made


def _zero(shape: Any) -> Any:
    match shape.type_name:
        case "structure":
            return _nothing(shape)
        case "list":
            return []
        case "map":
            return {}
        case "string":
            return ""
        case kind:
            return _ZEROS[kind]


def filled(identity: Identity, values: Mapping[str, Any]) -> Filled:
    """The answer that boto3 reads as `values`, whose names are those of the output shape; a wrong name is an error."""
    operation = _operation(identity.service, identity.operation)
    shape = operation.output_shape
    headers = {"x-amzn-RequestId": REQUEST_ID}
    match identity.protocol:
        case "json":
            headers["Content-Type"] = "application/x-amz-json-1.1"
            return Filled(headers, json.dumps(_plain(shape, values, "unixtimestamp")).encode())
        case "smithy-rpc-v2-cbor":
            headers |= {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
            return Filled(headers, _cbor(_plain(shape, values, "cbor")))
        case "rest-json" | "rest-xml":
            return _rest(identity, shape, values, headers)
        case _:
            headers["Content-Type"] = "text/xml"
            inner = _children(shape, values, "iso8601") if shape is not None else ""
            name = identity.operation
            if identity.protocol == "ec2":
                text = f"<{name}Response><requestId>{REQUEST_ID}</requestId>{inner}</{name}Response>"
            else:
                wrapper = f"{name}Result" if shape is None else shape.serialization.get("resultWrapper", f"{name}Result")
                told = f"<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>"
                text = f"<{name}Response><{wrapper}>{inner}</{wrapper}>{told}</{name}Response>"
            return Filled(headers, text.encode())


def _rest(identity: Identity, shape: Any, values: Mapping[str, Any], headers: dict[str, str]) -> Filled:
    is_json = identity.protocol == "rest-json"
    headers["Content-Type"] = "application/json" if is_json else "application/xml"
    if shape is None:
        return Filled(headers, b"")
    _check(shape, values)
    in_body = {}
    for name, value in values.items():
        member = shape.members[name]
        if member.serialization.get("location") == "header":
            headers[member.serialization["name"]] = str(value)
        elif "location" not in member.serialization:
            in_body[name] = value
    payload = shape.serialization.get("payload")
    if payload is not None:
        shape, in_body = shape.members[payload], in_body.get(payload, {})
        if shape.type_name in {"blob", "string"}:
            return Filled(headers, in_body if isinstance(in_body, bytes) else str(in_body or "").encode())
    if is_json:
        return Filled(headers, json.dumps(_plain(shape, in_body, "unixtimestamp")).encode())
    name = shape.serialization.get("name", shape.name)
    return Filled(headers, f"<{name}>{_children(shape, in_body, 'iso8601')}</{name}>".encode())


@cache
def _operation(service: str, operation: str) -> Any:
    """Botocore's model of an operation, None when it has none."""
    if not service or not operation:
        return None
    if operation not in service_model(service)["operations"]:
        return None
    return _service(service).operation_model(operation)


@cache
def _service(service: str) -> Any:
    return import_module("botocore.model").ServiceModel(service_model(service), service_name=service)


def _check(shape: Any, values: Mapping[str, Any]) -> None:
    unknown = values.keys() - shape.members.keys()
    if unknown:
        message = f"{shape.name} has no {', '.join(sorted(unknown))}; it has {', '.join(shape.members)}"
        raise ValueError(message)


def _plain(shape: Any, value: Any, when: str) -> Any:
    """A value as JSON or CBOR holds it; `when` is the form of timestamps that name none."""
    if shape is None:
        return {}
    match shape.type_name:
        case "structure":
            _check(shape, value)
            members = shape.members
            return {members[name].serialization.get("name", name): _plain(members[name], one, when) for name, one in value.items()}
        case "list":
            return [_plain(shape.member, one, when) for one in value]
        case "map":
            return {name: _plain(shape.value, one, when) for name, one in value.items()}
        case "timestamp" if when == "cbor":
            return value
        case "timestamp":
            return _when(value, shape.serialization.get("timestampFormat", when))
        case "blob" if when != "cbor":
            return base64.b64encode(value).decode()
        case _:
            return value


def _when(value: datetime, form: str) -> float | str:
    return value.timestamp() if form.lower() == "unixtimestamp" else value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _children(shape: Any, values: Mapping[str, Any], when: str) -> str:
    """The members of a structure as XML elements, without the structure's own tag."""
    _check(shape, values)
    return "".join(
        _element(shape.members[name].serialization.get("name", name), shape.members[name], one, when) for name, one in values.items()
    )


def _element(name: str, shape: Any, value: Any, when: str) -> str:
    match shape.type_name:
        case "structure":
            inner = _children(shape, value, when)
        case "list":
            if shape.serialization.get("flattened"):
                return "".join(_element(shape.member.serialization.get("name", name), shape.member, one, when) for one in value)
            item = shape.member.serialization.get("name", "member")
            inner = "".join(_element(item, shape.member, one, when) for one in value)
        case "map":
            key, item = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
            pairs = [_element(key, shape.key, k, when) + _element(item, shape.value, v, when) for k, v in value.items()]
            if shape.serialization.get("flattened"):
                return "".join(f"<{name}>{pair}</{name}>" for pair in pairs)
            inner = "".join(f"<entry>{pair}</entry>" for pair in pairs)
        case "boolean":
            inner = str(value).lower()
        case "timestamp":
            inner = str(_when(value, shape.serialization.get("timestampFormat", when)))
        case "blob":
            inner = base64.b64encode(value).decode()
        case _:
            inner = escape(str(value))
    return f"<{name}>{inner}</{name}>"


def _cbor(value: Any) -> bytes:
    """A value of plain Python types as CBOR (RFC 8949)."""
    match value:
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _cbor_head(0, value) if value >= 0 else _cbor_head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case bytes():
            return _cbor_head(2, len(value)) + value
        case str():
            return _cbor_head(3, len(value.encode())) + value.encode()
        case list():
            return _cbor_head(4, len(value)) + b"".join(_cbor(one) for one in value)
        case dict():
            return _cbor_head(5, len(value)) + b"".join(_cbor(name) + _cbor(one) for name, one in value.items())
        case datetime():
            return b"\xc1" + _cbor(value.timestamp())
        case _:
            message = f"got {type(value).__name__}, which CBOR answers do not hold"
            raise TypeError(message)


def _cbor_head(major: int, size: int) -> bytes:
    for extra, (limit, form) in enumerate(((1 << 8, ">B"), (1 << 16, ">H"), (1 << 32, ">I"), (1 << 64, ">Q")), 24):
        if size < 24:
            return bytes([major << 5 | size])
        if size < limit:
            return bytes([major << 5 | extra]) + struct.pack(form, size)
    message = f"got {size}, which is too large for CBOR"
    raise ValueError(message)
