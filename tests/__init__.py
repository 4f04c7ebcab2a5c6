"""What Borealis promises, each promise once."""
