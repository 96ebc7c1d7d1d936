"""Etcd's alarms, for people: what they mean for elections, and what to do."""


def in_words(alarm: str) -> str:
    """An alarm as etcd names it, or several with a comma."""
    if "CORRUPT" in alarm:
        return f"alarm {alarm}: its members hold different data; replace the wrong one before anything else"
    if "NOSPACE" in alarm:
        return (
            f"alarm {alarm}: its database is full, so that who leads goes on and nobody can take over; compact and "
            "defragment etcd, then run 'etcdctl alarm disarm'"
        )
    return f"alarm {alarm}"
