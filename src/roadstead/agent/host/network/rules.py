"""The nftables rules of a VPC's namespace. Pure: values in, rules out."""

from __future__ import annotations

from ipaddress import IPv4Address

from roadstead.agent.host.network.names import table_name
from roadstead.agent.host.network.objects import Chain, Ruleset

SPEAKERS = "speakers"
"""The set of the bridge table that says who may speak on which port."""


def router_rules(
    *,
    namespace: str,
    tag: str,
    uplink: str,
    host: IPv4Address,
    gateway: tuple[IPv4Address, int],
    resolvers: tuple[IPv4Address, ...],
) -> Ruleset:
    """What a VPC's router lets through: its own interfaces among each other, the host's connections and their answers, our endpoints.

    Over the uplink nothing leaves but answers to the host, so from a VPC the host's own addresses, 169.254.0.0/16 and
    the networks behind the host are out of reach.
    """
    address, port = gateway
    known = "ct state established,related accept"
    at = ", ".join(str(resolver) for resolver in resolvers)
    forward = (
        known,
        "ct state invalid drop",
        f'iifname "{uplink}" ip saddr {host} accept',
        f'iifname != "{uplink}" oifname != "{uplink}" accept',
    )
    incoming = (
        known,
        'iifname "lo" accept',
        f"ip daddr {address} tcp dport {port} accept",
        f"ip daddr {{ {at} }} udp dport 53 accept",
        f"ip daddr {{ {at} }} tcp dport 53 accept",
    )
    outgoing = (known, f'oifname "{uplink}" drop')
    return Ruleset(
        namespace=namespace,
        family="ip",
        table=table_name(tag),
        sets=(),
        chains=(
            Chain("forward", "type filter hook forward priority filter; policy drop;", forward),
            Chain("input", "type filter hook input priority filter; policy drop;", incoming),
            Chain("output", "type filter hook output priority filter; policy accept;", outgoing),
        ),
    )


def port_rules(*, namespace: str, tag: str) -> Ruleset:
    """What bridge ports accept: IPv4 and ARP, and only from the port's own MAC and IPv4 address."""
    rules = (
        f"ether type ip iifname . ether saddr . ip saddr @{SPEAKERS} accept",
        f"ether type arp iifname . ether saddr . arp saddr ip @{SPEAKERS} iifname . arp saddr ether . arp saddr ip @{SPEAKERS} accept",
    )
    return Ruleset(
        namespace=namespace,
        family="bridge",
        table=table_name(tag),
        sets=((SPEAKERS, "type ifname . ether_addr . ipv4_addr;"),),
        chains=(Chain("prerouting", "type filter hook prerouting priority -300; policy drop;", rules),),
    )


def replacement(ruleset: Ruleset, present: tuple[str, ...]) -> str:
    """The commands, for one transaction, that make the table hold exactly these chains; elements of its sets stay."""
    table = f"{ruleset.family} {ruleset.table}"
    lines = [f"add table {table}"]
    lines += [f"add set {table} {name} {{ {definition} }}" for name, definition in ruleset.sets]
    kept = {chain.name for chain in ruleset.chains}
    for name in present:
        if name not in kept:
            lines += [f"flush chain {table} {name}", f"delete chain {table} {name}"]
    for chain in ruleset.chains:
        lines += [f"add chain {table} {chain.name} {{ {chain.hook} }}", f"flush chain {table} {chain.name}"]
        lines += [f"add rule {table} {chain.name} {rule}" for rule in chain.rules]
    lines.append(f"add chain {table} {ruleset.generation}")
    return "\n".join(lines) + "\n"
