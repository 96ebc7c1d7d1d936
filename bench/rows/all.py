"""Every row, in the order in which they are printed."""

from bench.rows import asked, faults, handover, local, starting, thousand, told, weight
from bench.rows.row import Row

ROWS: tuple[Row, ...] = (
    *handover.ROWS,
    *faults.ROWS,
    *starting.ROWS,
    *weight.ROWS,
    *local.ROWS,
    *thousand.ROWS,
    *asked.ROWS,
    *told.ROWS,
)
