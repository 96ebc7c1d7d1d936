"""The shell: turns the world into events and actions into effects.

Promises: only ``loop`` calls ``step``; every action is begun in the order the core gave; every task lives in one
TaskGroup that outlives it. Does not: decide. A choice found here belongs in ``core``.
"""
