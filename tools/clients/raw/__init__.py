"""HTTP/1.1 by hand, where microseconds count: connections that are kept, requests that are carried."""
