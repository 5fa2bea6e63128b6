"""How a program ends: a person's mistake is one line and exit 2, anything else a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from ..errors import UserError


__all__ = ["run_program"]


def run_program(main: Callable[[], object]) -> NoReturn:
    """Call ``main`` and exit: 0, 2 after a UserError, 130 after Ctrl-C.

    Of several processes only the first prints.
    """
    try:
        main()
    except UserError as error:
        _say(f"error: {' '.join(str(error).split())}")
        sys.exit(2)
    except KeyboardInterrupt:
        _say("interrupted; --resume_from_checkpoint goes on from the newest checkpoint")
        sys.exit(130)
    sys.exit(0)


def _say(message: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(message, file=sys.stderr, flush=True)
