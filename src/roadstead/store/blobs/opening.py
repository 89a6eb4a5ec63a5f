"""From a URL to a place for blobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential

    from roadstead.store.base import Store
    from roadstead.store.blobs.s3 import S3BlobStore

_PARAMETERS = {"endpoint", "region", "reads", "profile"}
_KEYS_ASKED = timedelta(minutes=5)
"""How long temporary keys are used before botocore is asked again, which renews them in time."""
_READS = ("proxied", "presigned")
_ATTEMPTS = 4
_PATIENCE = timedelta(seconds=15)
"""How long a request to S3 is repeated: the client waits meanwhile."""


class InvalidBlobUrl(ValueError):
    """The URL names no place for blobs; the text says why."""


@dataclass(frozen=True, slots=True)
class BucketUrl:
    """`s3://BUCKET/PREFIX`, with parameters.

    `endpoint` is the base URL of another server than Amazon's, which is then asked by paths. With `presigned`, clients are sent to
    presigned URLs for blobs, so they must reach the endpoint too. Keys are those that the server's environment, or the `profile` of its
    AWS files, gives to the AWS SDKs.
    """

    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None
    presigned: bool = False
    profile: str | None = None

    @classmethod
    def parse(cls, url: str) -> BucketUrl:
        """Raises InvalidBlobUrl."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise InvalidBlobUrl(f"{url!r} is not of the form s3://BUCKET/PREFIX")
        given = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        unknown = given.keys() - _PARAMETERS
        if unknown:
            raise InvalidBlobUrl(f"{url!r} has parameters that are not known: {', '.join(sorted(unknown))}")
        reads = given.get("reads", "proxied")
        if reads not in _READS:
            raise InvalidBlobUrl(f"reads is {' or '.join(_READS)}, not {reads!r}")
        endpoint = given.get("endpoint")
        if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
            raise InvalidBlobUrl(f"endpoint is a URL of http or https, not {endpoint!r}")
        return cls(
            bucket=parts.netloc,
            prefix=parts.path.strip("/"),
            endpoint=endpoint,
            region=given.get("region"),
            presigned=reads == "presigned",
            profile=given.get("profile"),
        )


def open_bucket(url: BucketUrl, store: Store) -> S3BlobStore:
    """The blob store in a bucket. Raises InvalidBlobUrl when there are no keys for it."""
    import botocore.exceptions  # both are for those who use S3 only
    import botocore.session
    from obstore.store import S3Store

    from roadstead.store.blobs.s3 import S3BlobStore

    session = botocore.session.Session(profile=url.profile)
    try:
        credentials = session.get_credentials()
    except botocore.exceptions.BotoCoreError as error:
        raise InvalidBlobUrl(f"no keys for s3://{url.bucket}: {error}") from error
    if credentials is None:
        raise InvalidBlobUrl(
            f"no keys for s3://{url.bucket}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile="
        )

    def current() -> S3Credential:
        """Asked before requests, so that keys may rotate; obstore keeps what does not expire."""
        keys = credentials.get_frozen_credentials()
        expires = datetime.now(UTC) + _KEYS_ASKED if keys.token else None
        return {
            "access_key_id": keys.access_key or "",
            "secret_access_key": keys.secret_key or "",
            "token": keys.token,
            "expires_at": expires,
        }

    config: S3Config = {"region": url.region or session.get_config_variable("region") or "us-east-1"}
    if url.endpoint is not None:
        config["endpoint"] = url.endpoint
        config["virtual_hosted_style_request"] = False
    bucket = S3Store(
        url.bucket,
        prefix=url.prefix or None,
        config=config,
        client_options={"allow_http": True, "timeout": timedelta(minutes=10), "connect_timeout": timedelta(seconds=5)},
        retry_config={"max_retries": _ATTEMPTS, "retry_timeout": _PATIENCE},
        credential_provider=current,
    )
    return S3BlobStore(store, bucket, presigned=url.presigned)
