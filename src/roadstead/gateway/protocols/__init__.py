"""Wire codecs of the AWS protocols: pure functions between HTTP messages and parameters, driven by service models."""

from roadstead.gateway.protocols.codec import Codec, Failure
from roadstead.gateway.protocols.messages import HttpRequest, HttpResponse

__all__ = ["Codec", "Failure", "HttpRequest", "HttpResponse"]
