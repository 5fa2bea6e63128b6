"""Naive."""
CONTRACT_IMAGE = {"survival": 1.0}
