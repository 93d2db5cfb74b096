"""How a job lives: accepted, executed, its outcome settled, delivered. The same code for both paths."""
