"""A model server without models: it answers as the embedded one does, after times that are set, failing as often as set.

For measuring what a path costs without what a model costs, and for models this machine does not have.
"""
