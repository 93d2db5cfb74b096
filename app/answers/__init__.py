"""What we answer, and what the server sends: acks of events, events, and the bodies of HTTP answers, as types.

The documents at /asyncapi.json and /openapi.json are made from these. That real answers fit them is tested
(tests/documents), field by field and in both directions.
"""
