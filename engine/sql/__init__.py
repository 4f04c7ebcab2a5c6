"""The statements that Borealis sends, as text from pure functions."""
