"""Setting Spillway up on a machine."""
