"""The live view of ``supervisor top``: a terminal application over the streams of one daemon.

``news`` listens, ``rows`` says what stands in the tables, ``deeds`` what keys do, ``app`` shows. Only ``cli.top`` imports it, and
nothing else imports textual. Promises: never asks the daemon again for what a stream tells; nothing that a file, a process or a
stranger says is taken for markup or obeyed by the terminal. Does not: decide whether something may be done (the daemon does).
"""
