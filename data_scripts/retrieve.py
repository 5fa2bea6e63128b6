"""Find sentences for a task in a bank, and label them by a teacher: SentAugment (Du et al., 2021, arXiv:2010.02194).

    python data_scripts/retrieve.py bank labeled.csv -o found.csv --teacher runs/teacher --num-neighbors 1000 \
        --per-class 500 --evaluation test.csv

is ``textssl bank search``, for those who have the repository and not the command.
"""

from __future__ import annotations

import sys

from textssl.cli.main import main


if __name__ == "__main__":
    main(["bank", "search", *sys.argv[1:]])
