"""Programs that people run, under two real daemons on a real etcd."""
