"""How each service words broken constraints.

Most services run the same validator in front, whose message counts and lists what is wrong; they differ in the code.
ECR, ECS, EC2 and CloudWatch word it themselves. Source: the services' "Common errors" pages and answers that their
users quote in issues.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

from botocore.model import OperationModel

from roadstead.gateway.protocols.compiler import members_of
from roadstead.gateway.protocols.constraints import Kind, Path, Violation
from roadstead.gateway.protocols.errors import ValidationFailure

Style: TypeAlias = Callable[[OperationModel, list[Violation]], ValidationFailure]

_LONGEST_VALUE = 1024


def violation_error(service_name: str, operation: OperationModel, violations: list[Violation]) -> ValidationFailure:
    """The error that the service answers with; `violations` has at least one."""
    style = STYLES.get(service_name, listed("ValidationException"))
    return style(operation, violations)


def value_error(service_name: str, operation: OperationModel, message: str) -> ValidationFailure:
    """The error, with the code that the service has for broken constraints, about a value that the model allows."""
    code = violation_error(service_name, operation, [Violation(Kind.PATTERN, ("",), message)]).error_code
    return ValidationFailure(code, message)


def listed(code: str) -> Style:
    """`2 validation errors detected: Value 'x' at 'name' failed to satisfy constraint: ...; Value ...`."""

    def style(_operation: OperationModel, violations: list[Violation]) -> ValidationFailure:
        return ValidationFailure(code, list_message(violations))

    return style


def list_message(violations: list[Violation]) -> str:
    """The message of the validator that most services share."""
    plural = "" if len(violations) == 1 else "s"
    texts = [
        f"{_shown(violation)} at '{camel_path(violation.path)}' failed to satisfy constraint: {violation.constraint}"
        for violation in violations
    ]
    return f"{len(violations)} validation error{plural} detected: {'; '.join(texts)}"


def camel_path(path: Path) -> str:
    """`containerDefinitions.1.member.name`: members begin in lower case, positions are followed by `member`."""
    parts = [f"{part}.member" if isinstance(part, int) else part[:1].lower() + part[1:] for part in path]
    return ".".join(parts)


def _shown(violation: Violation) -> str:
    if violation.kind is Kind.REQUIRED:
        return "Value null"
    return "Value" if violation.sensitive else f"Value '{_text(violation.value)}'"


def _text(value: object) -> str:
    match value:
        case list():
            items: list[object] = value  # pyright: ignore[reportUnknownVariableType]
            text = f"[{', '.join(_text(item) for item in items[:20])}]"
        case dict():
            text = "{...}"
        case bytes():
            text = "java.nio.HeapByteBuffer"
        case bool():
            text = "true" if value else "false"
        case _:
            text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."


def _ecr(_operation: OperationModel, violations: list[Violation]) -> ValidationFailure:
    first = violations[0]
    constraint = first.constraint.removeprefix("Member ")
    if first.kind is Kind.PATTERN:
        head, _, pattern = constraint.partition(" pattern: ")
        constraint = f"{head} '{pattern}'"
    if any(isinstance(part, int) for part in first.path):
        path = camel_path(first.path[: next(i for i, part in enumerate(first.path) if isinstance(part, int))])
        constraint = f"Member must satisfy constraint: [{first.constraint}]"
    else:
        path = camel_path(first.path)
    message = f"Invalid parameter at '{path}' failed to satisfy constraint: '{constraint}'"
    return ValidationFailure("InvalidParameterException", message)


def _ecs(operation: OperationModel, violations: list[Violation]) -> ValidationFailure:
    code = "ClientException" if operation.name == "RegisterTaskDefinition" else "InvalidParameterException"
    first = violations[0]
    if first.kind is Kind.REQUIRED and len(first.path) == 1:
        name = str(first.path[0])
        return ValidationFailure(code, f"{name[:1].upper()}{name[1:]} can not be blank.")
    return ValidationFailure(code, list_message(violations))


def _ec2(_operation: OperationModel, violations: list[Violation]) -> ValidationFailure:
    first = violations[0]
    names = ".".join(str(part) for part in first.path)
    if first.kind is Kind.REQUIRED:
        return ValidationFailure("MissingParameter", f"The request must contain the parameter {names}")
    path = ".".join(part[:1].lower() + part[1:] if isinstance(part, str) else str(part) for part in first.path)
    value = "" if first.sensitive else _text(first.value)
    reason = "The value cannot be empty" if value == "" and not first.sensitive else _reason(first)
    return ValidationFailure("InvalidParameterValue", f"Value ({value}) for parameter {path} is invalid. {reason}")


def _reason(violation: Violation) -> str:
    return violation.constraint.replace("Member must", "It must", 1)


def _cloudwatch(_operation: OperationModel, violations: list[Violation]) -> ValidationFailure:
    first = violations[0]
    if first.kind is Kind.REQUIRED:
        path = ".".join(f"member.{part}" if isinstance(part, int) else part for part in first.path)
        return ValidationFailure("MissingParameter", f"The parameter {path} is required.")
    return ValidationFailure("ValidationError", list_message(violations))


def _with_fields(reason_member: str, reason: str, list_member: str) -> Style:
    """As `listed`, with the exception's own list of fields."""

    def style(operation: OperationModel, violations: list[Violation]) -> ValidationFailure:
        exception = operation.service_model.shape_for("ValidationException")
        known = members_of(exception)  # type: ignore[arg-type]
        fields = [{"name": camel_path(v.path), "message": v.constraint} for v in violations]
        members: dict[str, object] = {reason_member: reason, list_member: fields}
        kept = {name: value for name, value in members.items() if name in known}
        return ValidationFailure("ValidationException", list_message(violations), members=kept)

    return style


STYLES: MappingProxyType[str, Style] = MappingProxyType(
    {
        "application-autoscaling": listed("ValidationException"),
        "autoscaling": listed("ValidationError"),
        "cloudwatch": _cloudwatch,
        "ec2": _ec2,
        "ecr": _ecr,
        "ecr-public": _ecr,
        "ecs": _ecs,
        "eks": listed("InvalidParameterException"),
        "eks-auth": listed("InvalidParameterException"),
        "elb": listed("ValidationError"),
        "elbv2": listed("ValidationError"),
        "events": listed("ValidationException"),
        "iam": listed("ValidationError"),
        "inspector2": _with_fields("reason", "FIELD_VALIDATION_FAILED", "fields"),
        "logs": listed("InvalidParameterException"),
        "roadstead": listed("InvalidParameterException"),
        "scheduler": listed("ValidationException"),
        "secretsmanager": listed("ValidationException"),
        "servicediscovery": listed("InvalidInput"),
        "ssm": listed("ValidationException"),
        "sts": listed("ValidationError"),
    }
)
"""The style of each service; others answer with ValidationException."""
