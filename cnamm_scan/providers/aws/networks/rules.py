"""What one rule of a security group or a network ACL says, in numbers: its ports.

https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html, https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html
"""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.providers.ports import ALL_PORTS, LAST, Ports, ports

NUMBERS: Mapping[str, str] = {"6": "tcp", "17": "udp", "132": "sctp", "1": "icmp", "58": "icmpv6"}
"""Protocols by their numbers. https://www.iana.org/assignments/protocol-numbers/"""


def ports_of(protocol: str, first: int, last: int) -> Ports:
    """The ports of a rule. All of them where the protocol is -1; none of a protocol without ports; -1 to -1 of one with ports is all."""
    named = NUMBERS.get(protocol.strip(), protocol.strip().lower())
    if named in ("-1", "all"):
        return ALL_PORTS
    if first < 0 and last < 0:
        first, last = 0, LAST
    return ports(named, first, last)
