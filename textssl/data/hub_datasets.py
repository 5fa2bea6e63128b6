"""Whether the Hub answers when it is asked for a data set."""

from __future__ import annotations

import threading

import huggingface_hub


__all__ = ["hub_fault"]


def hub_fault(repo: str, timeout: float) -> Exception | None:
    """What goes wrong when the Hub is asked for a data set; ``None`` if it answers in time.

    Args:
        repo: ``owner/name`` of the data set.
        timeout: seconds that it has to answer at all.
    """
    fault: list[Exception | None] = [TimeoutError(f"no answer within {timeout:g} s")]

    def ask() -> None:
        try:
            huggingface_hub.HfApi().dataset_info(repo, timeout=timeout)
        except Exception as error:
            fault[0] = error
        else:
            fault[0] = None

    # In a thread: looking up a name can block for longer than any timeout of a connection.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return fault[0]
