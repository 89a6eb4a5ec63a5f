"""How a repository's content is to be encrypted."""

from __future__ import annotations

import msgspec

from roadstead.kernel.errors import NotImplementedByRoadstead
from roadstead.services.ecr.errors import InvalidParameterException


class Encryption(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What `encryptionConfiguration` says. AES256 is what the disk or the bucket below does; Roadstead itself encrypts no content."""

    encryption_type: str
    kms_key: str | None = None


def checked_encryption(given: Encryption) -> Encryption:
    """`given`, if it can be kept; raises NotImplementedByRoadstead for keys of KMS, which is not built, InvalidParameterException."""
    if given.encryption_type != "AES256":
        raise NotImplementedByRoadstead(
            f"ecr: encryption with {given.encryption_type} is not implemented by Roadstead, which has no KMS; use AES256."
        )
    if given.kms_key:
        raise InvalidParameterException.at(
            "encryptionConfiguration", "KMS key cannot be specified with AES256 encryption"
        )
    return given
