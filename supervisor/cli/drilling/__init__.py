"""The parts of ``supervisor drill``: a scratch daemon with a probe, how it is broken, who conducts and who joins."""
