"""Random models for scripts/differential.py."""
