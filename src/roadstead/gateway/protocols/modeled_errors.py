"""Which exception of the model an error is, and the code, status and fault that come with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from botocore.model import ServiceModel, StructureShape

from roadstead.gateway.protocols.codec import Failure, Fault
from roadstead.gateway.protocols.common_errors import in_family
from roadstead.gateway.protocols.compiler import PerModel, members_of


@dataclass(frozen=True, slots=True)
class ResolvedError:
    """An error in the words of one protocol family.

    `name` is the exception's shape name, `query_code` its code on the query protocols, where the two differ
    (`NoSuchEntityException`, `NoSuchEntity`); without a model both are the plain code.
    """

    name: str
    query_code: str
    status: int
    fault: Fault
    shape: StructureShape | None

    @property
    def message_member(self) -> str | None:
        """The member of the shape that holds the message, None without one."""
        if self.shape is not None:
            for member in members_of(self.shape):
                if member.lower() == "message":
                    return member
        return None


def resolve_error(service: ServiceModel | None, family: str, failure: Failure) -> ResolvedError:
    """Finds the model's exception for a failure, or words a common error for the family."""
    code, status = failure.code, failure.status
    shape = None if service is None else _exceptions(service).get(code)
    if shape is None:
        wording = in_family(family, code, status)
        return ResolvedError(
            wording.code, in_family("query", code, status).code, wording.status, _blame(wording.status), None
        )
    metadata = cast("dict[str, object]", shape.metadata)
    error = cast("dict[str, object]", metadata.get("error") or {})
    modeled_status = error.get("httpStatusCode")
    if isinstance(modeled_status, int):
        status = modeled_status
    elif _is_fault(service, shape):
        status = max(status, 500)
    sender = error.get("senderFault")
    fault = _blame(status) if sender is None else "Sender" if sender else "Receiver"
    return ResolvedError(shape.name, str(error.get("code") or shape.name), status, fault, shape)


def _blame(status: int) -> Fault:
    return "Receiver" if status >= 500 else "Sender"


def _is_fault(service: ServiceModel | None, shape: StructureShape) -> bool:
    # botocore's Shape.metadata leaves `fault` out, so it is read from the description.
    return service is not None and shape.name in _faults(service)


def _index(service: ServiceModel) -> dict[str, StructureShape]:
    shapes = cast("list[StructureShape]", service.error_shapes)
    return {str(shape.error_code): shape for shape in shapes} | {shape.name: shape for shape in shapes}


def _fault_names(service: ServiceModel) -> frozenset[str]:
    description = cast("dict[str, dict[str, dict[str, object]]]", getattr(service, "_service_description"))  # noqa: B009
    return frozenset(name for name, shape in description.get("shapes", {}).items() if shape.get("fault"))


_exceptions: PerModel[ServiceModel, dict[str, StructureShape]] = PerModel(_index)
_faults: PerModel[ServiceModel, frozenset[str]] = PerModel(_fault_names)
