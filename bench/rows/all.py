"""Every row, in the order in which they are printed."""

from bench.rows import faults, handover, starting, weight
from bench.rows.row import Row

ROWS: tuple[Row, ...] = (*handover.ROWS, *faults.ROWS, *starting.ROWS, *weight.ROWS)
