"""What a request to S3 needs to be allowed."""

from __future__ import annotations

import pytest

from roadstead.access.action_data import action_details
from roadstead.core.forwarding.s3.access import Asked, Need, check_prefix, needs_of, needs_of_deletion
from roadstead.core.forwarding.s3.actions import NOT_FORWARDED, VERSIONED, action_of
from roadstead.core.forwarding.s3.errors import InvalidArgument, MethodNotAllowed
from roadstead.core.forwarding.s3.places import Place
from roadstead.gateway.forwarding.s3_routes import route_of, s3_routes
from roadstead.gateway.models import service_model

MODEL = service_model("s3")
OBJECT, BUCKET = Place("web", "k"), Place("web")


@pytest.mark.parametrize("name", sorted(set(MODEL.operation_names) - NOT_FORWARDED))
def test_every_operation_has_an_action_that_iam_knows(name: str) -> None:
    if MODEL.operation_model(name).deprecated:
        return
    assert action_details(f"s3:{action_of(name, versioned=False)}") is not None


@pytest.mark.parametrize("name", sorted(VERSIONED.values()))
def test_every_action_on_a_version_is_one_that_iam_knows(name: str) -> None:
    assert action_details(f"s3:{name}") is not None


@pytest.mark.parametrize("name", sorted(set(MODEL.operation_names) - NOT_FORWARDED))
def test_every_operation_is_found_by_what_its_model_says(name: str) -> None:
    operation = MODEL.operation_model(name)
    if operation.deprecated:
        return
    route = route_of(operation)
    place = (Place(), BUCKET, OBJECT)[route.depth]
    query = {**dict(route.literals), **dict.fromkeys(route.required, "1")}
    assert s3_routes().find(route.method, place, query, route.required_headers).operation == name


@pytest.mark.parametrize(
    ("method", "place", "query", "headers", "operation"),
    [
        ("GET", Place(), {}, set(), "ListBuckets"),
        ("GET", BUCKET, {"prefix": "a"}, set(), "ListObjects"),
        ("GET", BUCKET, {"list-type": "2", "prefix": "a"}, set(), "ListObjectsV2"),
        ("GET", BUCKET, {"lifecycle": ""}, set(), "GetBucketLifecycleConfiguration"),
        ("GET", OBJECT, {"x-id": "GetObject"}, set(), "GetObject"),
        ("GET", OBJECT, {"attributes": ""}, {"x-amz-object-attributes"}, "GetObjectAttributes"),
        ("PUT", OBJECT, {}, set(), "PutObject"),
        ("PUT", OBJECT, {}, {"x-amz-copy-source"}, "CopyObject"),
        ("PUT", OBJECT, {"partNumber": "1", "uploadId": "u"}, set(), "UploadPart"),
        ("PUT", OBJECT, {"partNumber": "1", "uploadId": "u"}, {"x-amz-copy-source"}, "UploadPartCopy"),
        ("POST", OBJECT, {"uploads": ""}, set(), "CreateMultipartUpload"),
        ("POST", OBJECT, {"uploadId": "u"}, set(), "CompleteMultipartUpload"),
        ("DELETE", OBJECT, {"uploadId": "u"}, set(), "AbortMultipartUpload"),
        ("GET", BUCKET, {"analytics": "", "id": "1"}, set(), "GetBucketAnalyticsConfiguration"),
        ("GET", BUCKET, {"analytics": ""}, set(), "ListBucketAnalyticsConfigurations"),
    ],
)
def test_the_operation_that_asks_for_more_is_found(
    method: str, place: Place, query: dict[str, str], headers: set[str], operation: str
) -> None:
    assert s3_routes().find(method, place, query, headers).operation == operation


@pytest.mark.parametrize(("method", "place"), [("POST", OBJECT), ("PATCH", BUCKET), ("DELETE", Place())])
def test_what_is_no_operation_is_not_allowed(method: str, place: Place) -> None:
    with pytest.raises(MethodNotAllowed):
        s3_routes().find(method, place, {}, set())


def test_only_an_operations_own_parameters_are_passed_on() -> None:
    query = {"versionId": "v", "accessKey": "x", "x-id": "GetObject", "response-content-type": "text/plain"}
    route = s3_routes().find("GET", OBJECT, query, set())
    assert route.of_the_operation(query) == {"versionId": "v", "response-content-type": "text/plain"}


def asked(operation: str, place: Place = OBJECT, query: dict[str, str] | None = None, **headers: str) -> list[Need]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return needs_of(Asked(operation, place, query or {}, named))


def actions(needs: list[Need]) -> list[str]:
    return [need.action.removeprefix("s3:") for need in needs]


def test_actions() -> None:
    assert actions(asked("HeadObject")) == ["GetObject"]
    assert actions(asked("GetObject", query={"versionId": "v"})) == ["GetObjectVersion"]
    assert actions(asked("ListObjectsV2", BUCKET)) == ["ListBucket"]
    assert actions(asked("ListBuckets", Place())) == ["ListAllMyBuckets"]
    assert actions(asked("PutObject", x_amz_tagging="a=b", x_amz_acl="private")) == [
        "PutObject",
        "PutObjectTagging",
        "PutObjectAcl",
    ]
    assert actions(asked("CreateBucket", BUCKET, x_amz_grant_read="id=1")) == ["CreateBucket", "PutBucketAcl"]
    assert actions(asked("DeleteObject", x_amz_bypass_governance_retention="true")) == [
        "DeleteObject",
        "BypassGovernanceRetention",
    ]
    assert actions(asked("GetObjectAttributes")) == ["GetObject", "GetObjectAttributes"]


def test_a_copy_needs_its_source_too() -> None:
    write, read = asked("CopyObject", x_amz_copy_source="other/a%20b?versionId=7")
    assert (write.action, write.resources) == ("s3:PutObject", ("arn:aws:s3:::web/k",))
    assert (read.action, read.resources) == ("s3:GetObjectVersion", ("arn:aws:s3:::other/a b",))
    assert read.keys == {"s3:VersionId": "7"}


def test_condition_keys() -> None:
    (listing,) = asked("ListObjects", BUCKET, {"prefix": "a/", "max-keys": "5", "delimiter": "/"})
    assert listing.keys == {"s3:prefix": "a/", "s3:max-keys": "5", "s3:delimiter": "/"}
    put, *_ = asked("PutObject", x_amz_tagging="a=b&c=", x_amz_server_side_encryption="aws:kms")
    assert put.keys == {
        "s3:x-amz-server-side-encryption": "aws:kms",
        "s3:RequestObjectTagKeys": ("a", "c"),
        "s3:RequestObjectTag/a": "b",
        "s3:RequestObjectTag/c": "",
    }
    made, *_ = needs_of(Asked("CreateBucket", BUCKET, {}, {}, {"team": "web"}, "eu-west-1"))
    assert made.keys == {
        "s3:LocationConstraint": "eu-west-1",
        "aws:TagKeys": ("team",),
        "aws:RequestTag/team": "web",
    }


def test_each_object_of_a_deletion_is_asked_for() -> None:
    assert needs_of_deletion(Place("web", "a"), {}) == [Need("s3:DeleteObject", ("arn:aws:s3:::web/a",))]
    (versioned,) = needs_of_deletion(Place("web", "a", "7"), {})
    assert (versioned.action, versioned.keys) == ("s3:DeleteObjectVersion", {"s3:VersionId": "7"})
    bypassing = needs_of_deletion(Place("web", "a"), {"x-amz-bypass-governance-retention": "true"})
    assert actions(bypassing) == ["DeleteObject", "BypassGovernanceRetention"]


@pytest.mark.parametrize("prefix", ["../", "a/../b", "./a"])
def test_a_prefix_with_dot_segments_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidArgument):
        check_prefix({"prefix": prefix})
    check_prefix({"prefix": "a..b/.c"})
