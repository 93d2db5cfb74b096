"""`make bench`: what Spillway costs, beside its peers in the same run. See docs/performance.md."""
