"""Reading the signature of a request: the Authorization header, or the query of a presigned URL.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from urllib.parse import parse_qsl

import msgspec

from roadstead.access.errors import AuthenticationError, AuthenticationFailure
from roadstead.core.sigv4 import ALGORITHM, DATE_FORMAT, Scope, SignableRequest, canonical_request, string_to_sign

CLOCK_SKEW = timedelta(minutes=5)
MAX_PRESIGNED_SECONDS = 7 * 24 * 3600
_LONGEST_CREDENTIAL = 512
_AMZ_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_SIGNATURE_PARAMETER = "X-Amz-Signature"
_TOKEN_HEADER = "x-amz-security-token"


class SignatureClaim(msgspec.Struct, frozen=True):
    """What a request says of its own signature; nothing of it is verified yet."""

    access_key_id: str
    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str
    amz_date: str
    signed_at: datetime
    session_token: str | None
    expires: timedelta | None
    """How long a presigned URL lives; None for a signature in the header."""


def read_claim(request: SignableRequest) -> SignatureClaim:
    """Find the signature of a request; raises AuthenticationError (MISSING, INCOMPLETE)."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _from_header(request, authorization)
    if "X-Amz-Algorithm=" in request.query:
        return _from_query(request)
    raise AuthenticationError(AuthenticationFailure.MISSING, "Missing Authentication Token")


def check_time(claim: SignatureClaim, now: datetime) -> None:
    """Refuse a signature from another time (five minutes of skew; a presigned URL until it expires)."""
    # Differences, not sums: a signature may name the last second that there is.
    age = now - claim.signed_at
    if age > (claim.expires if claim.expires is not None else CLOCK_SKEW):
        edge = now if claim.expires is not None else now - CLOCK_SKEW
        shown = claim.signed_at + (claim.expires if claim.expires is not None else timedelta())
        tail = "" if claim.expires is not None else f" ({now.strftime(DATE_FORMAT)} - 5 min.)"
        raise AuthenticationError(
            AuthenticationFailure.EXPIRED_SIGNATURE,
            f"Signature expired: {shown.strftime(DATE_FORMAT)} is now earlier than {edge.strftime(DATE_FORMAT)}{tail}",
        )
    if -age > CLOCK_SKEW:
        edge = (now + CLOCK_SKEW).strftime(DATE_FORMAT)
        raise AuthenticationError(
            AuthenticationFailure.EXPIRED_SIGNATURE,
            f"Signature not yet current: {claim.amz_date} is still later than {edge}"
            f" ({now.strftime(DATE_FORMAT)} + 5 min.)",
        )


def text_to_verify(request: SignableRequest, claim: SignatureClaim) -> str:
    """The string that the caller should have signed."""
    without = _SIGNATURE_PARAMETER if claim.expires is not None else None
    canonical = canonical_request(request, claim.signed_headers, without=without)
    return string_to_sign(canonical, claim.amz_date, claim.scope)


@lru_cache(maxsize=64)
def _moment(amz_date: str) -> datetime:
    """The time of `YYYYMMDDTHHMMSSZ`; raises ValueError."""
    if _AMZ_DATE.fullmatch(amz_date) is None:
        raise ValueError(amz_date)
    return datetime.fromisoformat(amz_date)


@lru_cache(maxsize=256)
def _credential(text: str) -> tuple[str, Scope]:
    """The access key and the scope of a Credential; raises AuthenticationError (INCOMPLETE)."""
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not all(parts):
        raise _incomplete(
            f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{text}'"
        )
    key, date, region, service, term = parts
    if term != "aws4_request":
        raise _incomplete(f"Credential should be scoped with a valid terminator: 'aws4_request', not '{term}'.")
    return key, Scope(date, region, service)


def _incomplete(message: str) -> AuthenticationError:
    return AuthenticationError(AuthenticationFailure.INCOMPLETE, message)


def _from_header(request: SignableRequest, authorization: str) -> SignatureClaim:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise AuthenticationError(AuthenticationFailure.MISSING, "Missing Authentication Token")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        fields[name] = value
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not fields.get(name)]
    amz_date = request.headers.get("x-amz-date", "")
    problems = [f"Authorization header requires '{name}' parameter." for name in missing]
    if not amz_date:
        problems.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if problems:
        raise _incomplete(" ".join(problems) + " (Hashed with SHA-256 and encoded with Base64)")
    return _claim(
        credential=fields["Credential"],
        signed_headers=fields["SignedHeaders"],
        signature=fields["Signature"],
        amz_date=amz_date,
        session_token=request.headers.get(_TOKEN_HEADER),
        expires=None,
        request=request,
    )


def _from_query(request: SignableRequest) -> SignatureClaim:
    fields = dict(parse_qsl(request.query, keep_blank_values=True))
    names = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires", _SIGNATURE_PARAMETER)
    if fields.get("X-Amz-Algorithm") != ALGORITHM or not all(fields.get(name) for name in names):
        raise _incomplete(
            "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature',"
            " 'X-Amz-SignedHeaders', 'X-Amz-Expires' and 'X-Amz-Date'. Re-examine the query-string parameters."
        )
    try:
        seconds = int(fields["X-Amz-Expires"])
    except ValueError as error:
        raise _incomplete("X-Amz-Expires should be a number") from error
    if not 0 < seconds <= MAX_PRESIGNED_SECONDS:
        raise _incomplete("X-Amz-Expires must be between 1 and 604800 seconds")
    return _claim(
        credential=fields["X-Amz-Credential"],
        signed_headers=fields["X-Amz-SignedHeaders"],
        signature=fields[_SIGNATURE_PARAMETER],
        amz_date=fields["X-Amz-Date"],
        session_token=fields.get("X-Amz-Security-Token"),
        expires=timedelta(seconds=seconds),
        request=request,
    )


def _claim(
    *,
    credential: str,
    signed_headers: str,
    signature: str,
    amz_date: str,
    session_token: str | None,
    expires: timedelta | None,
    request: SignableRequest,
) -> SignatureClaim:
    # A long one is no key of ours, and strangers could fill the memory with what is remembered of each.
    if len(credential) > _LONGEST_CREDENTIAL:
        raise _incomplete(f"Credential must have at most {_LONGEST_CREDENTIAL} characters.")
    key, scope = _credential(credential)
    try:
        signed_at = _moment(amz_date)
    except ValueError as error:
        raise _incomplete(f"Date must be in ISO-8601 'basic format'. Got '{amz_date}'.") from error
    if scope.date != amz_date[:8]:
        raise AuthenticationError(
            AuthenticationFailure.BAD_SCOPE,
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope.date}' != '{amz_date[:8]}'",
        )
    names = tuple(signed_headers.split(";"))
    if any(before >= after for before, after in pairwise(names)):
        raise _incomplete("SignedHeaders must be sorted, and each named once")
    signed = frozenset(names)
    unsigned = [] if "host" in signed else ["host"]
    if expires is None or not request.encoded_once:  # S3 has words of its own for those beside a presigned URL
        unsigned += [n for n in request.headers if n.startswith("x-amz-") and n not in signed and n != _TOKEN_HEADER]
    if unsigned:
        raise AuthenticationError(
            AuthenticationFailure.SIGNATURE_MISMATCH,
            f"'{min(unsigned)}' must be a 'SignedHeader' in the AWS Authorization.",
        )
    return SignatureClaim(
        access_key_id=key,
        scope=scope,
        signed_headers=names,
        signature=signature,
        amz_date=amz_date,
        signed_at=signed_at,
        session_token=session_token,
        expires=expires,
    )
