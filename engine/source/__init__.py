"""PostgreSQL as Borealis reads it. asyncpg lives only here."""
