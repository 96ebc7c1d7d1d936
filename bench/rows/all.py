"""Every row, in the order in which they are printed."""

from bench.rows import asked, ceiling, faults, fleet, handover, local, starting, thousand, told, weight
from bench.rows.row import Row

_MODULES = (handover, faults, starting, weight, thousand, ceiling, local, asked, told, fleet)
ROWS: tuple[Row, ...] = tuple(row for module in _MODULES for row in module.ROWS)
