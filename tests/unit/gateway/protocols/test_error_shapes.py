"""Errors as the bytes that real services send."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import cbor2
import pytest

from roadstead.gateway.models import service_model
from roadstead.gateway.protocols import HttpResponse, codecs
from roadstead.gateway.protocols.codec import Codec, Failure


def error(
    codec: Codec, service: str | None, code: str, message: str = "No.", status: int = 400, **members: object
) -> HttpResponse:
    model = None if service is None else service_model(service)
    return codec.serialize_error(model, Failure(code, status, message, members), "request-1")


def header(response: HttpResponse, name: str) -> str | None:
    return next((value for key, value in response.headers if key.lower() == name), None)


JSON = codecs.json_codec("1.1")


def test_json_names_the_exception_in_the_body() -> None:
    response = error(JSON, "ecs", "ClusterNotFoundException", "Cluster not found.")
    assert response.status == 400
    assert json.loads(response.body) == {"__type": "ClusterNotFoundException", "message": "Cluster not found."}
    assert header(response, "content-type") == "application/x-amz-json-1.1"
    assert header(response, "x-amzn-requestid") == "request-1"


def test_json_uses_the_members_of_the_exception() -> None:
    response = error(JSON, "secretsmanager", "ResourceNotFoundException")
    assert json.loads(response.body) == {"__type": "ResourceNotFoundException", "Message": "No."}
    response = error(JSON, "ecr", "LayersNotFoundException")
    assert json.loads(response.body)["message"] == "No."


def test_a_fault_of_the_service_is_a_500() -> None:
    assert error(JSON, "ecs", "ServerException").status == 500
    assert error(JSON, "logs", "ServiceUnavailableException").status == 500
    assert error(JSON, "ecs", "InternalFailure", status=500).status == 500


def test_query_uses_code_status_and_fault_of_the_model() -> None:
    for code in ("NoSuchEntityException", "NoSuchEntity"):
        response = error(codecs.QUERY, "iam", code, "no <role> & \x00 such")
        assert response.status == 404
        root = ET.fromstring(response.body)
        ns = "{https://iam.amazonaws.com/doc/2010-05-08/}"
        assert root.tag == f"{ns}ErrorResponse"
        assert root.findtext(f"{ns}Error/{ns}Type") == "Sender"
        assert root.findtext(f"{ns}Error/{ns}Code") == "NoSuchEntity"
        assert root.findtext(f"{ns}Error/{ns}Message") == "no <role> & \ufffd such"
        assert root.findtext(f"{ns}RequestId") == "request-1"


def test_ec2_has_a_list_of_errors() -> None:
    response = error(codecs.EC2, "ec2", "InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist")
    root = ET.fromstring(response.body)
    assert root.tag == "Response"
    assert root.findtext("Errors/Error/Code") == "InvalidVpcID.NotFound"
    assert root.findtext("Errors/Error/Message") == "The vpc ID 'vpc-1' does not exist"
    assert root.findtext("RequestID") == "request-1"


def test_rest_json_names_the_exception_in_a_header() -> None:
    response = error(codecs.REST_JSON, "eks", "ResourceNotFoundException", "No cluster", clusterName="demo")
    assert response.status == 404
    assert header(response, "x-amzn-errortype") == "ResourceNotFoundException"
    assert json.loads(response.body) == {"message": "No cluster", "clusterName": "demo"}


def test_services_that_once_spoke_query_send_the_query_code_too() -> None:
    body_of = {
        codecs.json_codec("1.0", query_errors=True): json.loads,
        codecs.cbor_codec(query_errors=True): cbor2.loads,
    }
    for codec, decode in body_of.items():
        response = error(codec, "cloudwatch", "InvalidParameterValueException")
        assert header(response, "x-amzn-query-error") == "InvalidParameterValue;Sender"
        assert decode(response.body)["__type"] == "com.amazonaws.cloudwatch#InvalidParameterValueException"
    plain = error(codecs.json_codec("1.0"), "cloudwatch", "InvalidParameterValueException")
    assert header(plain, "x-amzn-query-error") is None


@pytest.mark.parametrize(
    ("codec", "code", "worded", "status"),
    [
        (JSON, "AccessDeniedException", "AccessDeniedException", 400),
        (codecs.REST_JSON, "AccessDeniedException", "AccessDeniedException", 403),
        (codecs.QUERY, "AccessDeniedException", "AccessDenied", 403),
        (codecs.EC2, "AccessDeniedException", "UnauthorizedOperation", 403),
        (codecs.EC2, "InternalFailure", "InternalError", 500),
        (codecs.QUERY, "ServiceUnavailable", "ServiceUnavailable", 503),
        (codecs.EC2, "ServiceUnavailable", "Unavailable", 503),
        (JSON, "ServiceUnavailable", "ServiceUnavailableException", 503),
    ],
)
def test_errors_that_no_model_has(codec: Codec, code: str, worded: str, status: int) -> None:
    given = {"InternalFailure": 500, "ServiceUnavailable": 503}.get(code, 400)
    response = error(codec, None, code, status=given)
    assert response.status == status
    assert worded in (header(response, "x-amzn-errortype") or response.body.decode())
    receiver = b"<Type>Receiver</Type>"
    if codec is codecs.QUERY:
        assert (receiver in response.body) == (status >= 500)
