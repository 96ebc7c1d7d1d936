"""How fast, how heavy and how right: beside rivals, on the same etcd, in the same run. ``python -m bench --help``."""
