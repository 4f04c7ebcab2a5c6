"""Who races: programs that wait to be told to begin (protocol.py), and how each is called."""
