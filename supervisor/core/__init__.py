"""Decides; does nothing.

Promises: ``machine.step`` is a pure function of state, event and time; every state answers every event; every safety
rule of the product (arm before start, dead by kill-by, key goes last) is a transition here and nowhere else.
Does not: read a clock, do I/O, log, draw random numbers (chance arrives inside events), import anything but the
standard library.
"""
