"""The crash suite: real processes under load, killed and cut off, and an audit at the end. `make faults` runs all of it."""
