"""Why a task definition is refused."""

from __future__ import annotations


class InvalidTaskDefinition(ValueError):
    """AWS answers ClientException with this message."""


class InvalidTaskParameter(ValueError):
    """AWS answers InvalidParameterException with this message."""
