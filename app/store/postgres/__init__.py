"""PostgreSQL: one database on a server, which several web processes may share. The only place that knows psycopg."""
