"""STS: https://docs.aws.amazon.com/STS/latest/APIReference/."""

from roadstead.services.sts import authorization_message, identity

__all__ = ["authorization_message", "identity"]
