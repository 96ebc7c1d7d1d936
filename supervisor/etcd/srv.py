"""``python .../etcd/srv.py DOMAIN SERVICE...``: the SRV records of each service, in a process of its own.

dnspython is up to 7 MB with what it imports, asked once in a while, and the daemon's memory is counted (decision 7).
Promises: one JSON list on standard output, ``[service, host, port]`` each, in the order of priority and then of name;
exit code 1 with the reason on standard error when not even one service could be asked. A service without records is no
error. Does not: import anything else of this program.
"""

import json
import sys

NAMESERVERS_VARIABLE = "SUPERVISOR_NAMESERVERS"
"""``address:port``, separated by commas, instead of those in /etc/resolv.conf."""
LIFETIME_SECONDS = 5.0


def main() -> int:
    """Ask, answer, end."""
    import os  # noqa: PLC0415 # only the process needs what follows; the daemon imports this module for its names

    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    domain, *services = sys.argv[1:]
    found: list[tuple[str, str, int]] = []
    problems: list[str] = []
    try:
        chosen = os.environ.get(NAMESERVERS_VARIABLE, "")
        resolver = dns.resolver.Resolver(configure=not chosen)
        if chosen:
            resolver.nameservers = [
                dns.nameserver.Do53Nameserver(host, int(port))
                for host, _, port in (one.rpartition(":") for one in chosen.split(","))
            ]
    except (dns.exception.DNSException, OSError, ValueError) as error:
        print(f"no name server: {error}", file=sys.stderr)  # noqa: T201 # the daemon reads it
        return 1
    for service in services:
        name = f"_{service}._tcp.{domain}"
        try:
            records = resolver.resolve(name, "SRV", lifetime=LIFETIME_SECONDS)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            continue
        except dns.exception.DNSException as error:
            problems.append(f"{name}: {error}")
            continue
        ordered = sorted(records, key=lambda r: (r.priority, str(r.target), r.port))
        found += [(service, str(r.target).rstrip("."), r.port) for r in ordered if str(r.target) != "."]
    if problems and not found:
        print("; ".join(problems), file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(found))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
