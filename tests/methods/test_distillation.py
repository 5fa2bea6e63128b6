"""Naive."""
