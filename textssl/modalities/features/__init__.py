"""Precomputed features: how rows of numbers are checked and encoded."""
