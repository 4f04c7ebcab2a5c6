"""Snowflake as Borealis loads it. The connector lives only here."""
