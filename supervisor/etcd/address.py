"""Where one member of etcd is: what people call it, what is dialled, and what its certificate must say.

    http://10.0.0.1:2379         an address, IPv4 or IPv6 in brackets; https alike
    https://etcd.example:2379    a name: as many members as it has A and AAAA records (``directory`` looks them up)
    unix:///run/etcd.sock        a socket on this machine; unixs:// speaks TLS on it

Promises: two records of one name are two addresses, so that a frozen member behind a name is left like any other.
Does not: look anything up, or check (``config.values`` did).
"""

import ipaddress
from dataclasses import dataclass

SECURE_SCHEMES = frozenset({"https", "unixs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One member, as it can be dialled."""

    scheme: str
    host: str
    """An IP address without brackets, or the path of a socket."""
    port: int = 0
    name: str = ""
    """The name that was looked up; empty where the file has an address."""

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme in SECURE_SCHEMES

    @property
    def is_socket(self) -> bool:
        """Whether it is a unix socket."""
        return self.scheme in ("unix", "unixs")

    @property
    def is_near(self) -> bool:
        """Whether it is on this machine, so that nothing is lost on the way."""
        return self.is_socket or (is_numeric(self) and ipaddress.ip_address(self.host).is_loopback)

    @property
    def label(self) -> str:
        """What messages call it: the endpoint as the file has it, and the address where that is a name."""
        if self.is_socket:
            return f"{self.scheme}://{self.host}"
        named = f"{self.scheme}://{self.name or _bracketed(self.host)}:{self.port}"
        return f"{named} ({self.host})" if self.name else named

    @property
    def target(self) -> str:
        """For gRPC, which must not look up anything itself: it would hide all members but one."""
        if self.is_socket:
            return f"unix:{self.host}"
        return f"{'ipv6' if ':' in self.host else 'ipv4'}:{_bracketed(self.host)}:{self.port}"

    @property
    def authority(self) -> str:
        """Who is asked for, as a proxy on the way wants to know it; with TLS the certificate's name says it."""
        return "localhost" if self.is_socket else f"{self.name or _bracketed(self.host)}:{self.port}"

    @property
    def dialled(self) -> str:
        """For the guardian, which looks nothing up: the address, and after a ``#`` the name its certificate must bear."""
        if self.is_socket:
            return f"{self.scheme}://{self.host}"
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}" + (f"#{self.name}" if self.name else "")


def parse(url: str) -> Address:
    """An endpoint of the file; its ``host`` may still be a name: see ``is_numeric``."""
    scheme, _, rest = url.partition("://")
    if scheme in ("unix", "unixs"):
        return Address(scheme=scheme, host=rest)
    host, _, port = rest.rpartition(":")
    return Address(scheme=scheme, host=host.strip("[]"), port=int(port))


def is_numeric(address: Address) -> bool:
    """Whether it can be dialled as it is."""
    if address.is_socket:
        return True
    try:
        ipaddress.ip_address(address.host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
