"""What Spillway is compared with: small servers and queues of others, and where they are installed."""
