"""Policies of repositories and registries: what they may say (user guide: "Private repository policies", "Private registry permissions")."""

from __future__ import annotations

from roadstead.core.policy.document import MalformedPolicy, PolicyDocument, PolicyShape, parse_policy
from roadstead.core.policy.merge import merged_policy
from roadstead.services.ecr.errors import InvalidParameterException


def check_repository_policy(text: str, service: str = "ecr") -> None:
    """Return for a policy that says whom the repository lets do what of a service; raises InvalidParameterException."""
    document = _parsed(text, "repository", service)
    if any(statement.resources or statement.not_resources for statement in document.statements):
        raise _invalid("repository", "a repository policy has no Resource")


def check_registry_policy(text: str) -> None:
    """Return for a policy that says whom the registry lets do what to which repositories; raises InvalidParameterException."""
    document = _parsed(text, "registry")
    if not all(statement.resources or statement.not_resources for statement in document.statements):
        raise _invalid("registry", "a statement of a registry policy has a Resource")


def _parsed(text: str, kind: str, service: str = "ecr") -> PolicyDocument:
    try:
        document = parse_policy(text, shape=PolicyShape.RESOURCE)
        parse_policy(merged_policy((text,)), shape=PolicyShape.RESOURCE)
    except MalformedPolicy as error:
        raise _invalid(kind, str(error)) from error
    for statement in document.statements:
        for action in (*statement.actions, *statement.not_actions):
            if action != "*" and action.partition(":")[0].lower() != service:
                raise _invalid(kind, f"{action} is no action of {service}")
    return document


def _invalid(kind: str, reason: str) -> InvalidParameterException:
    return InvalidParameterException(
        f"Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid {kind} policy provided' ({reason})"
    )
