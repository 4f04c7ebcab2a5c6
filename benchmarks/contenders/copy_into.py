"""The embedded warehouse's own COPY INTO, of files that lie on its stage."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import snowflake.connector

from benchmarks.contenders import protocol


def argv(port: int, statement: str) -> list[str]:
    """`statement`: the COPY INTO."""
    module = [sys.executable, "-m", "benchmarks.contenders.copy_into"]
    return [*module, "--port", str(port), "--statement", statement]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--statement", required=True)
    parser.add_argument("--into", help="nothing is left there: the rows are in the table")
    asked = parser.parse_args()
    protocol.run(lambda: _loaded(asked.port, asked.statement))


def _loaded(port: int, statement: str) -> dict[str, Any]:
    login = {"account": "local", "host": "127.0.0.1", "port": port, "protocol": "http", "user": "benchmark",
             "password": "none", "enable_server_session_keep_alive_auto_detection": False}  # fmt: skip
    with snowflake.connector.connect(**login) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return {"rows": sum(int(row[3]) for row in cursor.fetchall())}


if __name__ == "__main__":
    main()
