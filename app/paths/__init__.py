"""Which path an attempt takes, and what runs it there: siblings behind one small protocol, which know nothing of jobs' lives."""
