"""A person's own data of any kind: files, folders, data sets of the Hub, tables and lists in memory."""

from .reading import OwnData, read_own_data


__all__ = ["OwnData", "read_own_data"]
