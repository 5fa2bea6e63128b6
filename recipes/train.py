"""Any method on any named source or on own files, beside the supervised baseline on the same labels.

    accelerate launch recipes/train.py --method fixmatch --source mnist5k --labels 50
    accelerate launch recipes/train.py --method vat --source imdb --labels 100 --backend features
    accelerate launch recipes/train.py --method uda --train_file few.csv --unlabeled_file many.csv --test_file held.csv

``--method`` is a module of ``textssl.methods``, ``--source`` a name in ``textssl.sources.named``, with its origin if
you like (``imdb:hub``). ``--backend features`` trains a small head on the embeddings of a frozen encoder: on a
processor that takes a minute. Every field of the method's config is a flag, and a key of ``--config FILE.yaml``.
"""

from __future__ import annotations

import argparse

from textssl.cli.presets import presets_for
from textssl.cli.program import run_program
from textssl.cli.recipe import train_recipe
from textssl.errors import UserError
from textssl.methods import METHODS


def main() -> None:
    """Train the baseline, train the method, print one table."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--method", nargs="?")
    known, rest = parser.parse_known_args()
    if known.method is None and {"-h", "--help"} & set(rest):
        print(f"{__doc__}\nMethods: {', '.join(METHODS)}; --method NAME --help lists the flags of one.")
        return
    if known.method not in METHODS:
        raise UserError(f"method: got {known.method!r}; allowed: {', '.join(METHODS)}")
    train_recipe(known.method, presets_for(known.method), argv=rest)


if __name__ == "__main__":
    run_program(main)
