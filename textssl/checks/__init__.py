"""Checks of a person's data before training: what is odd about them, and what training does about it."""

from .check import CheckReport, check_data
from .finding import Example, Finding


__all__ = ["CheckReport", "Example", "Finding", "check_data"]
