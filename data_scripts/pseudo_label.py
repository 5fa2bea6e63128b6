"""Label texts by a trained classifier: a data set for noisy_student, self_training or distillation.

    python data_scripts/pseudo_label.py outputs/uda_imdb/uda many.jsonl -o labeled.csv
    python data_scripts/pseudo_label.py big many.parquet -o labeled.parquet --threshold 0.8 --balance duplicate \
        --engine ray --workers 8

is ``textssl pseudo-label``, for those who have the repository and not the command.
"""

from __future__ import annotations

import sys

from textssl.cli.main import main


if __name__ == "__main__":
    main(["pseudo-label", *sys.argv[1:]])
