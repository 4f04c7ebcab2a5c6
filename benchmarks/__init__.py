"""What extraction costs, measured beside `psql | zstd` in the same run on the same machine."""
