"""Stand-ins that run on this machine for the demonstration and the tests: the embedded warehouse and PostgreSQL."""
