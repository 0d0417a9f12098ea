"""Figures of several nodes together: votes, idleness, healing, storms, and simulated houses."""
