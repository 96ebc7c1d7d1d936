"""The ``supervisor`` command: one file per verb.

Promises: a verb imports only what it needs (``run`` nothing of gRPC, rich or pydantic); whatever a daemon, a file or etcd
says is shown without control characters; exit codes are those of ``exits``. Does not: know protobuf, or reach a running
daemon by anything but ``control.client``.
"""
