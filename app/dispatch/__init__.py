"""Arranging for attempts to run: one verb, `submit`, on whichever path the flag says. Only here is the flag asked.

Read `background.py` next (the simple path), then `jetstream.py` (the queued path, its equal sibling).
"""
