"""Programs around saved classifiers: ``predict`` and ``evaluate``."""
