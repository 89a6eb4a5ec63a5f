"""The XML bodies that permissions depend on."""

from __future__ import annotations

import pytest

from roadstead.core.forwarding.s3.documents import (
    Deletion,
    Denied,
    deletion_document,
    deletions,
    location_of,
    tags_of,
    with_denied,
)
from roadstead.core.forwarding.s3.errors import InvalidURI, MalformedXML
from roadstead.core.forwarding.s3.places import Place

DELETE = (
    b'<?xml version="1.0"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a &amp; b</Key>'
    b"<VersionId>7</VersionId></Object><Object><Key>c</Key><ETag>x</ETag></Object><Quiet>true</Quiet></Delete>"
)


def test_deletions_are_read_and_written() -> None:
    found, quiet = deletions("web", DELETE)
    assert quiet
    assert found == [
        Deletion(Place("web", "a & b", "7")),
        Deletion(Place("web", "c"), (("ETag", "x"),)),
    ]
    assert deletions("web", deletion_document(found, quiet=True)) == (found, True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Delete>",
        b"<Delete/>",
        b"<Other><Object><Key>a</Key></Object></Other>",
        b"<Delete><Object/></Delete>",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><Delete><Object><Key>&a;</Key></Object></Delete>",
        b"<Delete>" + b"<Object><Key>a</Key></Object>" * 1001 + b"</Delete>",
    ],
)
def test_other_documents_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        deletions("web", body)


def test_no_key_leads_out_of_the_bucket() -> None:
    with pytest.raises(InvalidURI):
        deletions("web", b"<Delete><Object><Key>../other/k</Key></Object></Delete>")


def test_what_was_denied_is_added_to_the_answer() -> None:
    denied = [Denied(Place("web", "b<"), "no & never")]
    error = b"<Error><Key>b&lt;</Key><Code>AccessDenied</Code><Message>no &amp; never</Message></Error>"
    assert with_denied(b"<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>", denied) == (
        b"<DeleteResult>" + error + b"<Deleted><Key>a</Key></Deleted></DeleteResult>"
    )
    named = b'<DeleteResult xmlns="x"'
    for quiet in (b"", b"<DeleteResult/>", b'<?xml version="1.0"?>' + named + b"/>", named + b"></DeleteResult>"):
        answer = with_denied(quiet, denied)
        assert answer.endswith(error + b"</DeleteResult>")
        assert answer.count(b"<DeleteResult") == 1


def test_tags_and_location() -> None:
    tagging = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag><Tag><Key>c</Key></Tag></TagSet></Tagging>"
    assert tags_of(tagging) == {"a": "b", "c": ""}
    assert tags_of(b"") == {}
    made = b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"
    assert location_of(made) == "eu-west-1"
    assert location_of(b"") is None
