"""Operator commands, one file a group: `python -m app COMMAND`."""
