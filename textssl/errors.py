"""The error that a person can act on."""

from __future__ import annotations


__all__ = ["UserError"]


class UserError(ValueError):
    """Input that cannot work, found before any long work starts.

    The message names the argument, the value and what is allowed. Recipes and the command line print it
    in one line, without a traceback, and exit with status 2.
    """
