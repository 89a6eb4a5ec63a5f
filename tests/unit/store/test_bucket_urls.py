from __future__ import annotations

import pytest

from roadstead.store.blobs.opening import BucketUrl, InvalidBlobUrl


@pytest.mark.parametrize(
    ("url", "means"),
    [
        ("s3://images", BucketUrl("images", "")),
        ("s3://images/a/b/", BucketUrl("images", "a/b")),
        (
            "s3://images/a?endpoint=http://127.0.0.1:9000&region=eu-west-1&reads=presigned&profile=minio",
            BucketUrl("images", "a", "http://127.0.0.1:9000", "eu-west-1", presigned=True, profile="minio"),
        ),
        ("s3://images?reads=proxied", BucketUrl("images", "")),
    ],
)
def test_what_a_url_means(url: str, means: BucketUrl):
    assert BucketUrl.parse(url) == means


@pytest.mark.parametrize(
    "url",
    [
        "",
        "images",
        "http://images",
        "s3:///a",
        "s3://images?read=presigned",
        "s3://images?reads=fast",
        "s3://images?endpoint=ftp://x",
    ],
)
def test_what_is_no_url_of_a_bucket(url: str):
    with pytest.raises(InvalidBlobUrl):
        BucketUrl.parse(url)
