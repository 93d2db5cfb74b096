"""A small model server: real models on the CPU, no network, plain JSON over HTTP.

`python -m ml_clients.embedded` runs it. docs/models.md tells what each model is good for.
"""
