"""The workers of one machine and the one path that a request takes."""
