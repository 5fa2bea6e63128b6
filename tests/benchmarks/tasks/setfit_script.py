"""SetFit on one problem: run by the interpreter of an environment that has it, which needs transformers 4.

    python setfit_script.py IN.json OUT.json

``IN.json`` holds ``texts``, ``labels``, ``test``, ``num_labels``, ``model`` and ``seed``; ``OUT.json`` gets ``probs``,
the ``seconds`` of training and prediction, and ``versions``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    import torch
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from transformers import set_seed

    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    set_seed(given["seed"])
    start = time.process_time()
    model = SetFitModel.from_pretrained(given["model"])
    model.model_body.max_seq_length = given["max_length"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, seed=given["seed"], save_strategy="no", report_to="none", show_progress_bar=False
        )
        labeled = Dataset.from_dict({"text": given["texts"], "label": given["labels"]})
        Trainer(model=model, args=arguments, train_dataset=labeled).train()
    probs = model.predict_proba(given["test"], as_numpy=True)
    whole = [[0.0] * given["num_labels"] for _ in given["test"]]
    for row, values in zip(whole, probs, strict=True):
        for label, value in zip(model.model_head.classes_, values, strict=True):
            row[int(label)] = float(value)
    told = {"probs": whole, "seconds": time.process_time() - start}
    told["versions"] = {name: version(name) for name in ("setfit", "sentence-transformers", "transformers", "torch")}
    Path(sys.argv[2]).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
