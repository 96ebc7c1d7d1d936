"""Results as tables on a terminal, and as Markdown for the page."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.console import Console
from rich.table import Table

from bench.harness import stats
from bench.harness.result import OURS, Metric, Report, is_rival


def figure(value: float) -> str:
    """Three significant places, and no exponent."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size else "0"


def compared(metric: Metric, side: str) -> str:
    """How many times ours that side's figure is; empty for ours, or when there is nothing to divide."""
    ours, theirs = metric.samples.get(OURS), metric.samples.get(side)
    if not is_rival(side) or not ours or not theirs:
        return ""
    if not any(ours) or not any(theirs):
        return "same" if not any(ours) and not any(theirs) else "-"
    found = stats.ratio(theirs, ours)
    spread = f" ({found.low:.2f}-{found.high:.2f})" if len(ours) > 1 and len(theirs) > 1 else ""
    return f"{found.value:.2f}{spread}"


def verdict(metric: Metric) -> str:
    """The target and whether it holds."""
    if metric.target is None:
        return ""
    held = metric.holds()
    words = "cannot be told from this run" if held is None else "holds" if held else "MISSED"
    return f"target {metric.target.words(metric.unit)}: {words}"


def rows(metric: Metric) -> Iterator[tuple[str, str, str, str, str]]:
    """Side, median, spread, samples, times ours."""
    for side, found in metric.samples.items():
        if found:
            s = stats.summary(found)
            spread = f"{figure(s.p10)} - {figure(s.p90)}" if s.count > 1 else ""
            yield side, figure(s.median), spread, str(s.count), compared(metric, side)
    for side, why in metric.missing.items():
        yield side, "-", "", "0", why


def terminal(report: Report, console: Console) -> None:
    """Everything, to be read."""
    for what, words in report.machine.items():
        console.print(f"{what:10} {words}", highlight=False)
    for row, metrics in groupby(report.metrics, key=lambda metric: metric.row):
        console.rule(row)
        for metric in metrics:
            table = Table(title=f"{metric.name}, {metric.unit}", title_justify="left", expand=False)
            for heading, justify in (("", "left"), ("median", "right"), ("p10 - p90", "right"), ("n", "right")):
                table.add_column(heading, justify=justify)  # type: ignore[arg-type] # one of its literals
            table.add_column("times ours (90 % of resamples)")
            for line in rows(metric):
                table.add_row(*line)
            console.print(table)
            for words in filter(None, (verdict(metric), f"limit: {metric.limit}" if metric.limit else "", metric.note)):
                console.print(f"  {words}", highlight=False)
    for row, why in report.failed.items():
        console.print(f"{row}: not measured: {why}", highlight=False)


def markdown(metrics: Iterable[Metric]) -> str:
    """The same for a page."""
    parts = []
    for metric in metrics:
        parts.append(f"{metric.name}, {metric.unit}:\n")
        parts.append("| | median | p10 - p90 | n | times ours |\n|---|---:|---:|---:|---|")
        parts += [f"| {' | '.join(line)} |" for line in rows(metric)]
        parts.append("")
        told = [verdict(metric), f"limit: {metric.limit}" if metric.limit else "", metric.note]
        parts += [f"- {words}" for words in told if words]
        parts.append("")
    return "\n".join(parts)


_BLOCK = re.compile(r"(<!-- row: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(page: str, report: Report) -> str:
    """A page with the figures of its blocks (``<!-- row: NAME -->`` to ``<!-- end -->``) put in anew.

    A block of a row that the report does not have is left as it is; ``machine`` is what the figures were taken on.
    """

    def block(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        if name == "machine":
            text = "".join(f"- {what}: {words}\n" for what, words in report.machine.items())
        else:
            metrics = [metric for metric in report.metrics if metric.row == name]
            if not metrics:
                return found.group(0)
            text = markdown(metrics)
        return f"{begin}\n{text}\n{end}"

    return _BLOCK.sub(block, page)
