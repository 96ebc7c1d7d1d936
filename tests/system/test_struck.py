"""A few rounds of ``struck``: the target of a switchover is killed in the middle of it."""

import random
from pathlib import Path

import pytest

from tests.etcd_server import EtcdServer
from tests.system.struck import Drill, Round

pytestmark = [pytest.mark.system, pytest.mark.etcd]

ROUNDS = 4


def test_the_target_is_killed_at_random_moments(etcd: EtcdServer, namespace: str, tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print(f"python -m tests.system.struck --seed {seed} --rounds {ROUNDS}")
    drill, chance = Drill(etcd, namespace, tmp_path), random.Random(seed)
    rounds: list[Round] = []
    try:
        for _ in range(ROUNDS):
            rounds.append(drill.round(chance))
            print(rounds[-1])
            drill.judge(rounds)
    finally:
        drill.close()
