"""The tables that are measured, one module a dataset; each is the same rows every time it is made at a scale."""
