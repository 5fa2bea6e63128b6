"""Any method on any named source or on own files, beside the supervised baseline on the same labels.

    accelerate launch recipes/train.py --method fixmatch --source mnist5k --labels 50
    accelerate launch recipes/train.py --method vat --source imdb --labels 100 --backend features
    accelerate launch recipes/train.py few.csv many.csv --method uda --test_file held.csv

The same as ``textssl train``. ``--source`` is a name in ``textssl.sources.named``, with its origin if you like
(``imdb:hub``). ``--backend features`` trains a small head on the embeddings of a frozen encoder: on a processor that
takes a minute. Every field of the method's config is a flag, and a key of ``--config FILE.yaml``.
"""

from __future__ import annotations

from textssl.cli.program import run_program
from textssl.cli.train.program import train_program


def main() -> None:
    """Train the baseline, train the method, print one table."""
    train_program()


if __name__ == "__main__":
    run_program(main)
