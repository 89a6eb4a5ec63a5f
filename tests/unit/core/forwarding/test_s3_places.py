"""Which bucket and object a request names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.forwarding.s3.errors import InvalidArgument, InvalidBucketName, InvalidURI
from roadstead.core.forwarding.s3.places import (
    Place,
    bucket_of_host,
    copy_source,
    copy_source_header,
    place_of,
    spellings,
)

LOCAL = "127.0.0.1:4566"


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        (LOCAL, None),
        ("[::1]:4566", None),
        ("localhost:4566", None),
        ("s3.localhost:4566", None),
        ("roadstead.example.org", None),
        ("s3.us-east-1.amazonaws.com", None),
        ("s3-us-west-2.amazonaws.com", None),
        ("web.localhost:4566", "web"),
        ("web.s3.localhost:4566", "web"),
        ("web.s3.us-east-1.amazonaws.com", "web"),
        ("web.s3.dualstack.us-east-1.amazonaws.com", "web"),
        ("a.b.s3.localhost", "a.b"),
        ("x.s3.y.s3.localhost", "x.s3.y"),
        ("WEB.S3.localhost", "web"),
        ("web.s3.roadstead.example.org", "web"),
    ],
)
def test_the_host_may_name_the_bucket(host: str, bucket: str | None) -> None:
    assert bucket_of_host(host) == bucket


@pytest.mark.parametrize(
    ("host", "path", "place"),
    [
        (LOCAL, "/", Place()),
        (LOCAL, "/web", Place("web")),
        (LOCAL, "/web/", Place("web")),
        (LOCAL, "/web/a%20b/c%2Fd+e", Place("web", "a b/c/d+e")),
        (LOCAL, "/web//x", Place("web", "/x")),
        (LOCAL, "/web/a//b/", Place("web", "a//b/")),
        (LOCAL, "/w%65b/k", Place("web", "k")),
        ("web.s3.localhost", "/", Place("web")),
        ("web.s3.localhost", "/web/k", Place("web", "web/k")),
        ("web.s3.localhost", "//k", Place("web", "/k")),
        (LOCAL, "/web/%C3%BC", Place("web", "ü")),
    ],
)
def test_a_place(host: str, path: str, place: Place) -> None:
    assert place_of(host, path) == place


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/minio/admin/v3/info", InvalidBucketName),
        ("/a%2Fb/c", InvalidBucketName),
        ("/..%2Fetc/x", InvalidBucketName),
        ("/%2e%2e/x", InvalidBucketName),
        ("/a..b/x", InvalidBucketName),
        ("/web/../other/x", InvalidURI),
        ("/web/%2E%2E/other/x", InvalidURI),
        ("/web/.", InvalidURI),
        ("/web//", InvalidURI),
        ("/web/%FF", InvalidURI),
    ],
)
def test_what_could_be_taken_for_something_else_is_refused(path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        place_of(LOCAL, path)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a/b", ("a/b",)),
        ("a/b/", ("a/b/",)),
        ("a//b", ("a//b", "a/b")),
        ("/a", ("/a", "a")),
        ("x/../a/./b", ("x/../a/./b", "a/b")),
        ("..a/...", ("..a/...",)),
    ],
)
def test_both_spellings_of_a_key_count(key: str, expected: tuple[str, ...]) -> None:
    assert spellings(key) == expected


@given(st.lists(st.sampled_from(["a", "b", "", ".", ".."]), min_size=1, max_size=8).map("/".join))
def test_the_last_spelling_is_a_path_that_no_server_changes(key: str) -> None:
    try:
        last = spellings(key)[-1]
    except InvalidURI:
        return
    assert not {"", ".", ".."} & set(last.removesuffix("/").split("/"))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_a_place_is_what_its_path_names(key: str) -> None:
    place = Place("web", key)
    try:
        spellings(key)
    except InvalidURI:
        return
    assert place_of(LOCAL, place.path) == place


def test_arns() -> None:
    assert Place().arns() == ("*",)
    assert Place("web").arns() == ("arn:aws:s3:::web",)
    assert Place("web", "a//b").arns() == ("arn:aws:s3:::web/a//b", "arn:aws:s3:::web/a/b")


@pytest.mark.parametrize(
    ("header", "place", "spelt"),
    [
        ("/web/a%20b", Place("web", "a b"), "web/a%20b"),
        ("web/a/b?versionId=x%2By", Place("web", "a/b", "x+y"), "web/a/b?versionId=x%2By"),
        ("web/a%3FversionId=1", Place("web", "a?versionId=1"), "web/a%3FversionId%3D1"),
        ("web%2Fa", Place("web", "a"), "web/a"),
    ],
)
def test_a_copy_source_is_spelt_in_one_way(header: str, place: Place, spelt: str) -> None:
    assert copy_source(header) == place
    assert copy_source_header(place) == spelt
    assert copy_source(spelt) == place


@pytest.mark.parametrize("header", ["web", "web/", "arn:aws:s3:us-east-1:1:accesspoint/x/object/k", "web/k?x=1"])
def test_a_copy_source_without_an_object_is_refused(header: str) -> None:
    with pytest.raises(InvalidArgument):
        copy_source(header)
