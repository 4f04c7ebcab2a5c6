"""The embedded warehouse: a server on loopback that the real Snowflake connector takes for Snowflake.

    connector --HTTP--> server  login, requestId, uploads
                          |
                        session transaction, locks, replay   one DuckDB connection each
                          |
         statements --- words (our DDL, COPY, stages: read token by token)
            |      `--- query (SELECT and DML: sqlglot, fakesnow's rewrites, then ours)
            |
         catalog    names -> physical tables t<id>, so that a swap or a rename is two rows
                          |
                        DuckDB, one file in the directory, next to the staged files

Everything runs in a process of its own (`python -m engine.local.warehouse --dir DIR`); `process.serve` starts it.
What it does as Snowflake documents it, differently, or not at all is listed in docs/embedded-warehouse.md.
"""
