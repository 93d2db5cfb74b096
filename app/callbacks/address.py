"""Which addresses may be called back. What a program names must not make us its hands inside our own network.

An address is looked at twice: as it is written, when the job is accepted, and as it resolves, at each try; the
connection goes to the very address that was looked at (OWASP, Server-Side Request Forgery Prevention).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from app.payload import Refused

# Addresses that stand for others: what is behind them is not what was looked at (RFC 4291, 6052, 3056, 4380).
STAND_FOR_OTHERS = [
    ipaddress.ip_network(each) for each in ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "2001::/32")
]
NOWHERE = ipaddress.ip_network("0.0.0.0/8")  # "this network", RFC 1122
LOOPBACK6 = ipaddress.ip_address("::1")
LOCALHOST = "localhost"  # resolves to loopback addresses by definition, RFC 6761

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PRINTABLE = re.compile(r"[!-\[\]-~]+")  # no spaces, no controls, no backslash: nothing that parsers read differently
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class Target(NamedTuple):
    """Where a callback goes: `host` is a name or an address."""

    scheme: str
    host: str


def target_of(url: str) -> Target:
    """Scheme and host of an http or https URL; raises Refused(bad_request) with `field` callback."""
    if not _PRINTABLE.fullmatch(url):
        raise _refused("an address has only printable ASCII characters, and no backslash")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _refused("this is no address") from None
    if parts.scheme not in ("https", "http"):
        raise _refused("an address begins with https://, or with nats:")
    if "@" in parts.netloc:
        raise _refused("an address has no user and no password in it")
    if port == 0 or not (_literal(host) or _NAME.fullmatch(host)):
        raise _refused("an address has a host, by its name or its IP address")
    return Target(parts.scheme, host)


class Allowed:
    """What CALLBACK_HOSTS lists: names, and networks."""

    def __init__(self, hosts: Iterable[str]) -> None:
        networks = {host: _network(host) for host in hosts}
        self._networks = [network for network in networks.values() if network is not None]
        self._names = {host.lower() for host, network in networks.items() if network is None}

    def check(self, url: str) -> None:
        """Raise Refused(bad_request) with `field` callback, unless the address may be called as it is written."""
        target = target_of(url)
        address = _literal(target.host)
        known = target.host in self._names if address is None else self._may_reach(target, address)
        if not known:
            raise _refused(f"{target.host} is not allowed: CALLBACK_HOSTS says which are")
        if target.scheme == "http" and address is None and target.host != LOCALHOST:
            raise _refused("http:// is for listed loopback addresses: https:// is expected")

    def may_connect(self, target: Target, address: str) -> bool:
        """Whether this address, to which its host resolves now, may be connected to."""
        known = _literal(address)
        if known is None or (_literal(target.host) is None and target.host not in self._names):
            return False  # the list has changed since it was accepted
        return self._may_reach(target, known)

    def _may_reach(self, target: Target, address: Address) -> bool:
        if _never(address):
            return False
        own_loopback = target.host == LOCALHOST and target.host in self._names and address.is_loopback
        listed = own_loopback or any(address in network for network in self._networks)
        if target.scheme == "http":
            return listed and address.is_loopback and (own_loopback or _literal(target.host) is not None)
        return listed or (address.is_global and target.host in self._names)


def _network(host: str) -> Network | None:
    """The network, or the single address, that is written here; None for a name."""
    try:
        return ipaddress.ip_network(host)
    except ValueError:
        return None


def _never(address: Address) -> bool:
    """Addresses that are no host's own, or hide whose they are: not even where they are listed."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None or address.is_site_local:
            return True
        if address != LOOPBACK6 and any(address in network for network in STAND_FOR_OTHERS):
            return True
    elif address in NOWHERE:
        return True
    reserved = address.is_reserved and address != LOOPBACK6  # which is in the reserved ::/8
    return address.is_unspecified or address.is_link_local or address.is_multicast or reserved


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refused(why: str) -> Refused:
    return Refused("bad_request", f"this cannot be called back: {why}", "callback")
