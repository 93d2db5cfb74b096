"""What is kept: the tables, and the one way to write to them. The only place that knows which database it is."""
