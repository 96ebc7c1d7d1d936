"""YAML in, Spec out: ``load.load`` reads a file and everything it includes.

Promises: either a complete, valid Spec or every problem at once, each at its line and column with a remedy; reading is
the only I/O; nothing but ``ConfigError`` is ever raised, whatever the bytes. ``apart`` does it in a process of its own,
which is how the daemon reads. Does not: watch files, talk to etcd, or decide what a change costs (``core.diff`` does).
"""
