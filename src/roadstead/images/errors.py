"""What can go wrong on the way of an image; every text names the thing."""

from __future__ import annotations


class ImageError(Exception):
    """An image can't be moved; the text says which, where and why."""


class InvalidReference(ImageError):
    """The text is no image reference."""


class BadArchive(ImageError):
    """A file or directory is no image archive, is cut short, or holds what none may hold."""


class NotThere(ImageError):
    """A registry or archive does not have what was asked for."""


class Refused(ImageError):
    """A registry does not let the caller in."""


class RegistryFailed(ImageError):
    """A registry answered what no registry should, or nothing at all. `status` and `code` are those of its answer, where it gave one."""

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class DigestMismatch(ImageError):
    """Content does not have the digest that it goes by."""

    @classmethod
    def of(cls, what: str, expected: str, found: str) -> DigestMismatch:
        """The error of content from `what`."""
        return cls(f"{what}: the content has digest {found}, not {expected}")
