"""Tells the outside world what happened: the service manager and the log.

Promises: telling never raises, never blocks and never changes what is told about.
Does not: decide anything, or answer questions (the control API does).
"""
