"""Who somebody is and what they may do: tokens of a team's own login (AUTH=token), or nobody asks (AUTH=open)."""
