"""The best classifier that a few labels allow: candidates are scored on folds of the labels, the best are averaged.

    python recipes/fit.py --train_file few.csv --unlabeled_file many.csv --test_file held.csv --level fast
    python recipes/fit.py --source rotten_tomatoes --labels 20
    python recipes/fit.py --unlabeled_file many.csv --label_names sport politics science

The third one has no label: names and descriptions tell the classes. A command that was stopped goes on when it is
given again. docs/guides/fit.md says how the choice is made.
"""

from __future__ import annotations

from textssl.cli.fit.program import fit_program
from textssl.cli.program import run_program


def main() -> None:
    """Say what the data are, choose, print the table and held-out figures."""
    fit_program()


if __name__ == "__main__":
    run_program(main, again="the same command")
