"""supervisor: a declarative, election-driven process supervisor over etcd.

Importing this package switches off gRPC's fork handlers (an environment variable that must be set before ``grpc`` is
first imported) and does nothing else. The guardian forks; nothing that uses gRPC ever does, and this line makes sure
that a library which forks behind our back does not run gRPC's handlers in the child (grpc#43055).
"""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

__version__ = "0.1.0.dev0"
