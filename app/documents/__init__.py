"""The contract as documents that programs read: AsyncAPI 3 for events and the queue, OpenAPI 3.1 for HTTP.

Made from the types that check and shape the data, the table of events, the declarations of tasks and the routes: there
is nothing here to keep up to date by hand.
"""
