"""Builds what AWS Lambda gets: one zip for each processor, the same bytes from the same sources."""
