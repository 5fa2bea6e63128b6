"""Rows: checked, read from files, drawn in batches of two streams, and shown as views."""
