from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from textssl.fit.one_thread import one_thread


def threads() -> set[int]:
    np.ones((8, 8)) @ np.ones((8, 8))
    return {library["num_threads"] for library in threadpool_info()}


def test_within_the_block_there_is_one_and_after_it_as_many_as_before() -> None:
    with threadpool_limits(2):
        before = threads()
        with one_thread():
            assert threads() == {1}
        assert threads() == before
