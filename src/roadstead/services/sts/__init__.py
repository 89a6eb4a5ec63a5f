"""STS: https://docs.aws.amazon.com/STS/latest/APIReference/."""

from roadstead.services.sts import identity

__all__ = ["identity"]
