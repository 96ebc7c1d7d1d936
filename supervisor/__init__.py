"""supervisor: a declarative, election-driven process supervisor over etcd.

Importing this package sets two environment variables of gRPC's, which count before ``grpc`` is first imported, and does
nothing else. Its fork handlers are off: the guardian forks; nothing that uses gRPC ever does, and this makes sure that a
library which forks behind our back does not run them in the child (grpc#43055). Its own log is off: what it has to say of
a call comes as the call's error, and we log that once; a probe that fails every second would have it on our stderr each time.
"""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

try:
    from supervisor._version import version as _told
except ModuleNotFoundError:  # a checkout that nobody installed
    _told = "0+unknown"

__version__: str = _told
