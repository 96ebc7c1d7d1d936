"""The elections' store: ``store.EtcdStore`` is all of it, as the daemon uses it.

Promises: every call has a deadline and ends in a result or in an error of ``errors``; trust in a lease counts from the
instant a request was *sent*; a stream that ends is opened again and read anew, and never taken for news; protobuf names
stop here. Does not: decide who leads, or when to try again (``core`` does).
"""
