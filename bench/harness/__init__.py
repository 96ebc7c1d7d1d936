"""What every row shares: turns, waiting, statistics, the record of the probes, results, tables and plots."""
