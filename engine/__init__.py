"""Borealis copies Aurora PostgreSQL tables to Snowflake: exactly, fast, without servers."""

__version__ = "0.1.0"
