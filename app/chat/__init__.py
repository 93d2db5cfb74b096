"""The light half: rooms, messages, people. Everything here is answered on the spot."""
