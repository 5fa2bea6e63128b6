"""Named data sets: where they come from, how they are split, and which of their labels are made wrong."""

from .named import SOURCES, LoadedSource, load_source


__all__ = ["SOURCES", "LoadedSource", "load_source"]
