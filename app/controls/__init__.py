"""What operators set of tasks and lanes while the system runs: that they are paused, and how often failures are tried again."""
