"""Candidate classifiers, from cheap to dear."""
