"""Drills: the whole product on real parts, broken on purpose, judged by a checker that knows nothing of it."""
