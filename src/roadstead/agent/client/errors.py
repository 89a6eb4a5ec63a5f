"""What a call of the API can end with, other than an answer."""

from __future__ import annotations


class ApiError(Exception):
    """The base of both."""


class ApiUnreachable(ApiError):
    """No answer within the deadline: the server is away, restarting or overloaded. Trying again later makes sense."""


class ApiRefused(ApiError):
    """The API answered with an error; `code` is the AWS error code."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
