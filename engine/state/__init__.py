"""What coordinates runs: who may write a table now, and what earlier runs did."""
