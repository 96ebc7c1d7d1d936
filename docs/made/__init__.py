"""Reference pages that are made from the code, one module a page; ``docs/generate.py`` writes and compares them.

Promises: the same code gives the same page, on every machine. What cannot be read off the code (what a name is for) is written
beside the page, and a name that the code has and the page does not, or the other way round, ends the run with both.
"""
