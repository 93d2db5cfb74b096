"""Web processes among themselves: messages that are counted, so that what gets lost is noticed and made good."""
