"""Cut the texts of files into sentences, and keep the different ones as a bank for retrieval.

    python data_scripts/build_bank.py reviews.csv news.txt -o bank
    python data_scripts/build_bank.py --dataset imdb -o bank
    python data_scripts/build_bank.py more.parquet -o bank --add

is ``textssl bank build``, for those who have the repository and not the command.
"""

from __future__ import annotations

import sys

from textssl.cli.main import main


if __name__ == "__main__":
    main(["bank", "build", *sys.argv[1:]])
