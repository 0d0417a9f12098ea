"""Engines: loaded models that turn tokens into tokens."""
