"""One picture for each figure: medians as bars, SVG."""

import math
import re
import sys
import warnings
from pathlib import Path
from typing import Any

from bench.harness.result import Metric, Report
from bench.harness.table import figure

_SCRIPT = re.compile(r"<script.*?</script>", re.DOTALL)
"""pygal leaves its configuration in one, though none is asked for."""
WIDE = 30.0
"""From the smallest to the largest: beyond, the axis is logarithmic."""


def draw(report: Report, directory: Path) -> list[Path]:
    """Write them; returns the files."""
    directory.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    files = []
    for metric in report.metrics:
        medians = {side: m for side in metric.samples if (m := metric.median(side)) is not None}
        if len(medians) < 2:
            continue
        number = counts[metric.row] = counts.get(metric.row, 0) + 1
        file = directory / (f"{metric.row}.svg" if number == 1 else f"{metric.row}-{number}.svg")
        file.write_bytes(_bars(metric, medians))
        files.append(file)
    return files


def _pygal() -> Any:
    """An optional extra: rows are measured without it.

    It leaves a finder of its plugins in ``sys.meta_path`` that knows nothing of ``find_spec``, and every later import would be warned of it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        import pygal.style  # noqa: PLC0415 # an optional extra, and it is warned of
    sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    return pygal


def _bars(metric: Metric, medians: dict[str, float]) -> bytes:
    above = [m for m in medians.values() if m > 0]
    wide = len(above) == len(medians) and max(above) / min(above) > WIDE
    lowest = 10 ** math.floor(math.log10(min(above))) if wide else 0
    pygal = _pygal()
    chart = pygal.HorizontalBar(
        style=pygal.style.LightSolarizedStyle, js=(), explicit_size=True, width=760, height=130 + 44 * len(medians),
        title=f"{metric.name}, {metric.unit}{', logarithmic' if wide else ''}", logarithmic=wide,
        print_values=True, value_formatter=figure, legend_at_bottom=False, truncate_legend=-1, min_scale=2,
        range=(lowest, 1.15 * max(medians.values()) or 1), disable_xml_declaration=True,
    )  # fmt: skip
    for side, median in medians.items():
        chart.add(side, [median])
    drawn: str = chart.render(is_unicode=True)
    return _SCRIPT.sub("", drawn).encode()
