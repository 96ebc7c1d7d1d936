"""What the tests of the whole program share: nodes, and a file whose leader process leaves a trace."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.nodes import WORK, Make, Node


@pytest.fixture
def text(etcd: EtcdServer, namespace: str, tmp_path: Path) -> str:
    script = WORK.format(beats=tmp_path / "beats")
    return f"""\
etcd: {{endpoints: ["{etcd.endpoint}"], namespace: {namespace}}}
elections:
  job:
    ttl: 5s
    leader:
      processes:
        work: {{command: [sh, -c, '{script}'], stop: {{timeout: 2s}}}}
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Make]:
    nodes: list[Node] = []

    def make(
        name: str,
        file: str,
        *,
        named: bool = True,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> Node:
        nodes.append(Node(tmp_path, name, file, named=named, options=options, environment=environment, prefix=prefix))
        return nodes[-1]

    yield make
    for one in nodes:
        one.end()
