"""Driving a running Spillway with real Socket.IO clients that keep their own books: replay, bench, faults, compare."""
