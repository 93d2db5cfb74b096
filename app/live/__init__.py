"""The last hour on both paths, in memory, as /operator draws it."""
