"""Back-translate the texts of a file: its rows come back with a column of translations.

    python data_scripts/back_translate.py reviews.csv -o translated.csv
    python data_scripts/back_translate.py reviews.csv -o translated.csv --engine seq2seq
        --forward Helsinki-NLP/opus-mt-en-fr --backward Helsinki-NLP/opus-mt-fr-en --copies 2

is ``textssl back-translate``, for those who have the repository and not the command.
"""

from __future__ import annotations

import sys

from textssl.cli.main import main


if __name__ == "__main__":
    main(["back-translate", *sys.argv[1:]])
