"""One machine for all tests of the unit: booting it takes seconds."""

import os
from collections.abc import Iterator

import pytest

from tests.etcd_server import installed
from tests.systemd.machine import Machine, missing


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine with an etcd, and the supervisor's units; none of them started."""
    if lacking := missing():
        pytest.skip(f"no machine with systemd: {lacking}")
    machine = Machine(f"t{os.getpid()}")
    try:
        machine.boot()
        etcd = installed()[0].etcd
        # The checkout's own is seen at another place there.
        inside = etcd.replace(str(machine.checkout), "/opt/checkout")
        machine.must(
            "systemd-run", "--unit=test-etcd", "--property=StateDirectory=etcd", inside, "--data-dir=/var/lib/etcd"
        )
        machine.until(lambda: machine.run("bash", "-c", ": > /dev/tcp/127.0.0.1/2379").returncode == 0, 20, "no etcd")
        yield machine
    finally:
        machine.close()
