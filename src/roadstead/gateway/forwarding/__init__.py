"""Calls of services that Roadstead does not have, passed on to somebody who has them: verified, authorised and signed anew."""

from roadstead.gateway.forwarding.building import forwarding_to
from roadstead.gateway.forwarding.edge import Forwarding
from roadstead.gateway.forwarding.request import Call, Head
from roadstead.gateway.forwarding.settings import TABLE, BadUpstream, UpstreamSettings, read_upstreams

__all__ = ["TABLE", "BadUpstream", "Call", "Forwarding", "Head", "UpstreamSettings", "forwarding_to", "read_upstreams"]
