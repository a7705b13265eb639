"""How each operation is asked and continued: botocore's own paginators first, then members that look like tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnamm_scan.model import Reason
from cnamm_scan.providers.aws.errors import sdk
from cnamm_scan.providers.interface import CallFailedError

_TOKENS = ("NextToken", "nextToken", "Marker", "NextMarker", "nextMarker", "marker", "NextPageToken", "nextPageToken", "position")


@dataclass(frozen=True, slots=True)
class Pager:
    """How one operation is asked and continued. Tokens are (parameter, path in the answer) pairs."""

    method: str
    tokens: tuple[tuple[str, Any], ...]
    more: Any
    limit: tuple[str, int] | None
    protocol: str
    body: frozenset[str]
    """The members of an answer that stand in its body, not in headers."""

    def first(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the first page, as large as the service allows: fewer calls."""
        if self.limit and self.limit[0] not in parameters:
            return {**parameters, self.limit[0]: self.limit[1]}
        return dict(parameters)

    def following(self, parameters: Mapping[str, Any], page: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a later page."""
        return {**self.first(parameters), **page}

    def next_page(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The token parameters of the next page, or None after the last."""
        if not self.tokens or (self.more is not None and not self.more.search(data)):
            return None
        found = {parameter: path.search(data) for parameter, path in self.tokens}
        found = {parameter: value for parameter, value in found.items() if value}
        return found or None


def pager_of(client: Any, operation: str) -> Pager:
    """How botocore says that the operation is paged; its own paginators first, then members that look like tokens."""
    import jmespath
    from botocore import xform_name
    from botocore.exceptions import OperationNotPageableError
    from botocore.model import OperationNotFoundError

    try:
        model = client.meta.service_model.operation_model(operation)
    except OperationNotFoundError as error:
        raise CallFailedError(Reason.UNSUPPORTED, f"{sdk()} has no operation {operation}") from error
    inputs = model.input_shape.members if model.input_shape else {}
    outputs = model.output_shape.members if model.output_shape else {}
    tokens: list[tuple[str, Any]] = []
    more, limit_key = None, None
    method = xform_name(operation)
    if client.can_paginate(method):
        try:
            config = client.get_paginator(method)._pagination_cfg
        except OperationNotPageableError:
            config = {}
        taken, given = config.get("input_token", []), config.get("output_token", [])
        taken, given = (taken if isinstance(taken, list) else [taken]), (given if isinstance(given, list) else [given])
        tokens = [(parameter, jmespath.compile(path)) for parameter, path in zip(taken, given, strict=True)]
        more = jmespath.compile(config["more_results"]) if config.get("more_results") else None
        limit_key = config.get("limit_key")
    else:
        for name in _TOKENS:
            if name in inputs and name in outputs:
                tokens = [(name, jmespath.compile(name))]
                break
        else:
            if "Marker" in inputs and "NextMarker" in outputs:
                tokens = [("Marker", jmespath.compile("NextMarker"))]
        limit_key = next(
            (name for name in ("MaxResults", "maxResults", "Limit", "limit", "MaxItems", "MaxRecords") if tokens and name in inputs), None
        )
    limit: tuple[str, int] | None = None
    if limit_key is not None and limit_key in inputs and isinstance(most := inputs[limit_key].metadata.get("max"), int):
        limit = (limit_key, min(most, 1000))
    body = frozenset(
        name for name, shape in outputs.items() if shape.serialization.get("location") not in ("header", "headers", "statusCode")
    )
    protocol = str(client.meta.service_model.resolved_protocol)
    return Pager(method, tuple(tokens), more, limit, protocol, body)
