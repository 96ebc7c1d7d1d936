"""``make audit``: known vulnerabilities of what users get, as pip-audit's services know them.

Promises: exit code 1 when one is known; 0 and "not judged" in so many words when the service could not be asked, or did not know a
distribution: silence is not a clean bill. Does not: stand in for reading the advisories.
"""

import json
import subprocess
import sys

from tests.security.test_repository import closure


def main() -> int:
    """Ask, and tell."""
    import importlib.metadata
    import tempfile

    names = sorted(closure())
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={importlib.metadata.version(name)}\n" for name in names))
        file.flush()
        argv = [
            sys.executable,
            "-m",
            "pip_audit",
            "-r",
            file.name,
            "--no-deps",
            "--disable-pip",
            "-f",
            "json",
            "--timeout",
            "10",
        ]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        judged = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"NOT JUDGED: the vulnerability service could not be asked: {last[:200]}")
        return 0
    unknown = [d["name"] for d in judged if "skip_reason" in d]
    bad = [(d["name"], d["version"], v["id"]) for d in judged for v in d.get("vulns", ())]
    for name, version, advisory in bad:
        print(f"{name} {version}: {advisory}")
    print(f"{len(names)} distributions: {len(judged) - len(unknown)} judged, {len(bad)} vulnerable")
    if unknown:
        print(f"NOT JUDGED, unknown to the service: {', '.join(unknown)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
