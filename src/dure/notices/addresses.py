"""Which addresses a notice may go to: public ones, and the internal ones that were allowed on purpose.

A URL in the settings may come from someone who should not reach the network that the worker stands in, and a name may
lead somewhere else tomorrow than it did today. So what is checked is the address, each time, and the connection goes to
the very address that was checked.
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from dure.queue.retry import Final, Retryable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NEVER_PUBLIC: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            # Beside what `is_global` knows: whole blocks that it opens in parts or that old versions call global.
            "0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15",
            "224.0.0.0/4", "240.0.0.0/4",
            # A cloud's own services behind a public number.
            "168.63.129.16/32",
            # Ways to write an IPv4 address in IPv6, through which a translator would reach it: compatible, NAT64
            # (two), Teredo, 6to4; then unique local, link-local, site-local, multicast.
            "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",
            "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
        ),
    )
)  # fmt: skip


class InternalAddress(Final):
    """The receiver is inside, and was not allowed by `DURE_NOTICE_ALLOW`."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What of the inside may be reached. Example: `Allowed.of(["10.1.0.0/16", "hooks.internal"])`."""

    hosts: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Allowed":
        """Read networks and host names, as the settings have checked them."""
        hosts, networks = set(), []
        for name in names:
            try:
                networks.append(ipaddress.ip_network(name))
            except ValueError:
                hosts.add(_host(name))
        return cls(frozenset(hosts), tuple(networks))

    def host(self, name: str) -> bool:
        """Answer whether this host was allowed by name."""
        return _host(name) in self.hosts

    def address(self, text: str) -> bool:
        """Answer whether this address lies in a network that was allowed."""
        address = read(text)
        return any(address.version == network.version and address in network for network in self.networks)

    def inside(self, host: str, addresses: Iterable[str]) -> bool:
        """Answer whether a receiver is allowed on purpose, so that it may also be spoken to without TLS."""
        return self.host(host) or all(map(self.address, addresses))


def read(text: str) -> Address:
    """Read an address; an IPv4 one that is wrapped in IPv6 is unwrapped."""
    address = ipaddress.ip_address(text)
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def is_public(text: str) -> bool:
    """Answer whether an address is out on the internet. Example: `not is_public("169.254.169.254")`."""
    address = read(text)
    return address.is_global and not any(
        address.version == network.version and address in network for network in NEVER_PUBLIC
    )


def resolve(host: str, port: int) -> list[str]:
    """Answer the addresses of a host, in the order in which to try them; blocks, so call it in a thread."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Retryable("the receiver's name cannot be resolved") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check(host: str, addresses: Iterable[str], allowed: Allowed) -> None:
    """Refuse a receiver of which any address is inside, unless it was allowed."""
    if not allowed.host(host) and not all(is_public(address) or allowed.address(address) for address in addresses):
        raise InternalAddress("the receiver has an internal address, which DURE_NOTICE_ALLOW does not name")


def _host(name: str) -> str:
    return name.lower().rstrip(".")
