"""Errors of services that once spoke query only (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html,
trait awsQueryCompatible), and how RPC services spell the type of an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from botocore.model import ServiceModel, StructureShape

from roadstead.gateway.protocols.modeled_errors import ResolvedError

_NAMESPACES = MappingProxyType(
    {
        "cloudwatch": "com.amazonaws.cloudwatch",
        "servicediscovery": "com.amazonaws.servicediscovery",
    }
)


def shape_namespace(service: ServiceModel | None, shape: StructureShape | None) -> str:
    """`com.amazonaws.cloudwatch#` for the exceptions of services that write absolute shape ids, else nothing."""
    if service is None or shape is None:
        return ""
    namespace = _NAMESPACES.get(service.service_name)
    return f"{namespace}#" if namespace else ""


def is_query_compatible(service: ServiceModel) -> bool:
    """Whether the service's JSON and CBOR clients expect query error codes."""
    return "awsQueryCompatible" in cast("Mapping[str, object]", service.metadata)


def query_error_header(error: ResolvedError) -> tuple[tuple[str, str], ...]:
    """`x-amzn-query-error: CODE;Sender`, where the query code is not the exception's name."""
    if error.query_code == error.name:
        return ()
    return (("x-amzn-query-error", f"{error.query_code};{error.fault}"),)
