"""Is this machine, and this etcd, fit for what a file asks: facts in, findings out.

Promises: pure, as all of ``core``: every rule can be tried without the machine that breaks it. ``facts`` says what is looked
at, the other modules judge. Does not: look (``etcd.examine``, ``guardian.trial`` and ``cli`` do).
"""
