"""Telling other programs how their jobs ended, at an address of theirs: checked, signed, and tried until it is taken."""
