"""What is printed of a benchmark, and what is kept."""
