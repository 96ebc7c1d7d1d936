"""A supervisor of the next version, as far as others see it: ``next_version.py MODE PYTHON -m supervisor run FILE ...``.

``fields``: documents, records and ledger are of version 2, with fields and words that nobody knows yet.
``marks``: a term that is over is marked by a word that nobody knows yet.
"""

import json
import sys
from typing import Any, NoReturn

from supervisor.cli.main import run
from supervisor.core import document, ledger, records
from supervisor.daemon import handover, main
from supervisor.daemon.handover import Orders

FUTURE: dict[str, Any] = {
    "epoch": {"of": [1, 2.5, None, True]},
    "sealed": "yes",
    "quorum": 10**400,
    "ünïcode": "\u202e",
}


class Encoder(json.JSONEncoder):
    """As ours, for version 2."""

    def encode(self, o: Any) -> str:
        told = {**o, "v": 2, **FUTURE}
        for process in told.get("processes", {}).values():
            process["state"] = "hibernating"
        if told.get("mark") == "stopped" and MODE == "marks":
            told["mark"] = "retired"
        return super().encode(told)


def stay_here(orders: Orders) -> NoReturn:
    """Be the daemon in this process, which is the next version's."""
    sys.exit(main.run(orders))


if __name__ == "__main__":
    MODE = sys.argv[1]
    for module in (document, records, ledger):
        vars(module)["_ENCODER"] = Encoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    handover.hand_over = stay_here
    sys.exit(run(sys.argv[sys.argv.index("supervisor") + 1 :]))
