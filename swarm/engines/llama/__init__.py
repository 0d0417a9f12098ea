"""The llama.cpp engine: one copy of the weights, many sequences in one batch."""
