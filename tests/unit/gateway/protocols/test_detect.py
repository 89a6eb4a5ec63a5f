from __future__ import annotations

import tracemalloc

import pytest

from roadstead.access.errors import AuthenticationError
from roadstead.access.signed_request import read_claim
from roadstead.core.sigv4 import SignableRequest
from roadstead.gateway.models import SERVICES, every_service, service_model
from roadstead.gateway.protocols import HttpRequest, codecs
from roadstead.gateway.protocols.detect import Unidentified, identify
from roadstead.gateway.protocols.errors import MalformedQueryString
from roadstead.gateway.protocols.form import form_pairs

LOCAL = "127.0.0.1:4566"
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def json_request(target: str, version: str = "1.1", **headers: str) -> HttpRequest:
    given = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}
    return HttpRequest("POST", "/", "", {**given, **{k.replace("_", "-"): v for k, v in headers.items()}}, b"{}")


def form_request(body: str, method: str = "POST") -> HttpRequest:
    if method == "GET":
        return HttpRequest("GET", "/", body, {})
    return HttpRequest("POST", "/", "", FORM, body.encode())


def cbor_request(service: str, operation: str, **headers: str) -> HttpRequest:
    path = f"/service/{service}/operation/{operation}"
    given = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
    return HttpRequest("POST", path, "", {**given, **{k.replace("_", "-"): v for k, v in headers.items()}})


@pytest.mark.parametrize(
    ("request_", "scope", "name"),
    [
        (json_request("AmazonEC2ContainerServiceV20141113.RunTask"), "ecs", "ecs:RunTask"),
        (json_request("AmazonEC2ContainerServiceV20141113.RunTask"), None, "ecs:RunTask"),
        (json_request("AmazonEC2ContainerRegistry_V20150921.ListImages"), "ecr", "ecr:ListImages"),
        (json_request("SpencerFrontendService.DescribeImages"), "ecr-public", "ecr-public:DescribeImages"),
        (json_request("Logs_20140328.PutLogEvents"), "logs", "logs:PutLogEvents"),
        (json_request("Roadstead_20261101.RegisterHost"), "roadstead", "roadstead:RegisterHost"),
        (json_request("GraniteServiceVersion20100801.PutMetricData", "1.0"), "monitoring", "cloudwatch:PutMetricData"),
        (json_request("Route53AutoNaming_v20170314.ListServices"), "servicediscovery", "servicediscovery:ListServices"),
        (cbor_request("GraniteServiceVersion20100801", "PutMetricData"), "monitoring", "cloudwatch:PutMetricData"),
        (cbor_request("Route53AutoNaming_v20170314", "ListServices"), None, "servicediscovery:ListServices"),
        (form_request("Action=GetCallerIdentity&Version=2011-06-15"), "sts", "sts:GetCallerIdentity"),
        (form_request("Action=GetCallerIdentity&Version=2011-06-15"), None, "sts:GetCallerIdentity"),
        (form_request("Action=GetCallerIdentity&Version=2011-06-15", "GET"), "sts", "sts:GetCallerIdentity"),
        (form_request("Action=PutMetricData&Version=2010-08-01"), "monitoring", "cloudwatch:PutMetricData"),
        (form_request("Action=DescribeVpcs&Version=2016-11-15"), "ec2", "ec2:DescribeVpcs"),
        (form_request("Action=DescribeVpcs&Version=2014-10-01"), "ec2", "ec2:DescribeVpcs"),
        (
            form_request("Action=DescribeLoadBalancers&Version=2015-12-01"),
            "elasticloadbalancing",
            "elbv2:DescribeLoadBalancers",
        ),
        (
            form_request("Action=DescribeLoadBalancers&Version=2012-06-01"),
            "elasticloadbalancing",
            "elb:DescribeLoadBalancers",
        ),
        (HttpRequest("GET", "/clusters", "", {}), "eks", "eks:ListClusters"),
        (HttpRequest("GET", "/clusters/demo", "", {}), "eks", "eks:DescribeCluster"),
        (HttpRequest("GET", "/clusters/demo/", "", {}), "eks", "eks:DescribeCluster"),
        (HttpRequest("GET", "/clusters/demo/node-groups/a", "", {}), None, "eks:DescribeNodegroup"),
        (HttpRequest("GET", "/tags/arn%3Aaws%3Aeks%3A%3A1%3Acluster%2Fa", "", {}), "eks", "eks:ListTagsForResource"),
        (
            HttpRequest("POST", "/clusters/demo/assume-role-for-pod-identity", "", {}),
            "eks-auth",
            "eks-auth:AssumeRoleForPodIdentity",
        ),
        (HttpRequest("GET", "/schedules/x", "", {}), "scheduler", "scheduler:GetSchedule"),
        (HttpRequest("GET", "/clusters", "Action=ListUsers", {}), "eks", "eks:ListClusters"),
        (HttpRequest("GET", "/clusters", "NoAction=1", {}), None, "eks:ListClusters"),
    ],
)
def test_service_and_operation(request_: HttpRequest, scope: str | None, name: str) -> None:
    target = identify(request_, scope, LOCAL)
    assert f"{target.service_name}:{target.operation_name}" == name


@pytest.mark.parametrize(
    ("request_", "codec"),
    [
        (json_request("GraniteServiceVersion20100801.PutMetricData", "1.0"), codecs.json_codec("1.0")),
        (cbor_request("GraniteServiceVersion20100801", "PutMetricData"), codecs.cbor_codec()),
        (form_request("Action=PutMetricData&Version=2010-08-01"), codecs.QUERY),
        (
            json_request("GraniteServiceVersion20100801.PutMetricData", "1.0", x_amzn_query_mode="true"),
            codecs.json_codec("1.0", query_errors=True),
        ),
        (
            cbor_request("GraniteServiceVersion20100801", "PutMetricData", x_amzn_query_mode="true"),
            codecs.cbor_codec(query_errors=True),
        ),
    ],
)
def test_one_service_answers_in_the_protocol_of_the_request(request_: HttpRequest, codec: object) -> None:
    target = identify(request_, "monitoring", LOCAL)
    assert target.codec is codec
    assert target.signing_name == "monitoring"


def test_query_mode_means_nothing_to_services_that_never_spoke_query() -> None:
    request = json_request("AmazonEC2ContainerServiceV20141113.RunTask", x_amzn_query_mode="true")
    assert identify(request, "ecs", LOCAL).codec is codecs.json_codec("1.1")


def test_the_host_names_the_service_of_an_unsigned_request() -> None:
    request = form_request("Action=ListUsers&Version=2010-05-08")
    assert identify(request, None, "iam.amazonaws.com").service_name == "iam"
    with pytest.raises(Unidentified) as caught:
        identify(HttpRequest("POST", "/", "", {}), None, "api.ecr.us-east-1.amazonaws.com")
    assert caught.value.service is service_model("ecr")


@pytest.mark.parametrize(
    ("request_", "scope", "code", "status", "named"),
    [
        (json_request("AmazonEC2ContainerServiceV20141113.Dance"), "ecs", "UnknownOperationException", 400, "Dance"),
        (json_request("Nowhere_1.Dance"), "ecs", "UnknownOperationException", 400, "Nowhere_1.Dance"),
        (json_request("Nowhere_1.Dance"), None, "UnknownService", 404, "Nowhere_1.Dance"),
        (json_request("nodot"), None, "UnknownService", 404, "nodot"),
        (cbor_request("GraniteServiceVersion20100801", "Dance"), None, "UnknownOperationException", 400, "Dance"),
        (cbor_request("Nowhere", "Dance"), "ecs", "UnknownService", 404, "Nowhere"),
        (form_request("Action=Dance&Version=2011-06-15"), "sts", "InvalidAction", 400, "Dance"),
        (form_request("Action=Dance&Version=2016-11-15"), "ec2", "InvalidAction", 400, "Dance"),
        (form_request("Version=2011-06-15"), "sts", "MissingAction", 400, "Action"),
        *(
            (form_request(f"Action=GetCallerIdentity{given}"), "sts", "InvalidAction", 400, f"for version {named}")
            for given, named in (
                ("&Version=1999-01-01", "1999-01-01"),
                ("&Version=2010-05-08", "2010-05-08"),
                ("", "NO_VERSION_SPECIFIED"),
            )
        ),
        (
            form_request("Action=DescribeLoadBalancers&Version=1999-01-01"),
            "elasticloadbalancing",
            "InvalidAction",
            400,
            "1999-01-01",
        ),
        *(
            (form_request(f"Action=DescribeVpcs&Version={version}"), "ec2", "NoSuchVersion", 400, version)
            for version in ("1999-01-01", "2999-01-01", "x")
        ),
        (form_request("Action=Dance"), "nonsense", "UnknownService", 404, "nonsense"),
        (HttpRequest("GET", "/nowhere", "", {}), "eks", "UnknownOperationException", 404, "/nowhere"),
        (HttpRequest("GET", "/bucket", "", {}), "s3", "NotImplemented", 501, "s3"),
        (json_request("DynamoDB_20120810.GetItem", "1.0"), "dynamodb", "NotImplemented", 501, "dynamodb"),
        (form_request("Action=Publish&Version=2010-03-31"), None, "NotImplemented", 501, "sns"),
        (form_request("X-Amz-Expires=60&Action=Dance", "GET"), "sts", "InvalidAction", 400, "Dance"),
        (HttpRequest("GET", "/", "", {}), "nonsense", "UnknownService", 404, "nonsense"),
        (HttpRequest("GET", "/", "", {}), "ecs", "UnknownOperationException", 400, "ecs"),
    ],
)
def test_what_is_unknown_is_named(request_: HttpRequest, scope: str | None, code: str, status: int, named: str) -> None:
    with pytest.raises(Unidentified) as caught:
        identify(request_, scope, LOCAL)
    error = caught.value
    assert (error.error_code, error.status) == (code, status)
    assert named in error.message
    response = error.answer("request-1")
    assert response.status == status
    assert code.encode() in response.body or ("x-amzn-ErrorType", code) in response.headers


def test_every_operation_of_our_rest_services_is_routed_to_itself() -> None:
    for name in ("eks", "eks-auth", "inspector2", "scheduler"):
        service = service_model(name)
        for operation_name in service.operation_names:
            http = service.operation_model(operation_name).http
            path = http["requestUri"].replace("{", "").replace("}", "").replace("+", "")
            target = identify(HttpRequest(http["method"], path, "", {}), service.signing_name, LOCAL)
            assert target.operation_name == operation_name


def test_all_of_aws_is_known_by_name() -> None:
    names = {entry.name for entry in every_service().entries}
    assert names >= SERVICES
    assert len(names) > 400


def test_a_query_that_can_not_be_read_is_refused() -> None:
    request = HttpRequest("POST", "/restapis", "mode=caf%E9", {})
    with pytest.raises(Unidentified) as caught:
        identify(request, "apigateway", LOCAL, frozenset({"apigateway"}))
    assert (caught.value.error_code, caught.value.status) == ("SerializationException", 400)


def test_names_of_any_length_are_not_remembered() -> None:
    """Strangers write them: a thousand of them would fill the memory."""
    tracemalloc.start()
    try:
        for number in range(200):
            long = f"{number}" + "x" * 100_000
            credential = (
                f"Credential=AKIA/20260101/us-east-1/{long}/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"
            )
            headers = {
                "host": long,
                "x-amz-date": "20260101T000000Z",
                "authorization": f"AWS4-HMAC-SHA256 {credential}",
            }
            with pytest.raises(AuthenticationError, match="at most 512 characters"):
                read_claim(SignableRequest("POST", "/", "", headers, ""))
            found = identify(json_request("AmazonEC2ContainerServiceV20141113.RunTask"), long, long)
            assert found.operation_name == "RunTask"
        assert tracemalloc.get_traced_memory()[0] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_form_is_read_once() -> None:
    request = form_request("Action=GetUser&Version=2010-05-08&UserName=ann")
    target = identify(request, "iam", LOCAL)
    found = form_pairs(request)
    assert target.codec.parse_request(target.operation, request) == {"UserName": "ann"}
    assert form_pairs(request) is found
    assert request == form_request("Action=GetUser&Version=2010-05-08&UserName=ann")


def test_a_form_that_can_not_be_read_is_refused_each_time() -> None:
    request = form_request("Action=%FF")
    for _ in range(2):
        with pytest.raises(MalformedQueryString):
            form_pairs(request)
