"""How candidates become one answer: pure functions without clock, I/O or logging."""
