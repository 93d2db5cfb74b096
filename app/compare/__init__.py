"""The comparison: the real system under one workload on each path, measured, judged and written down."""
