"""Predictions for a data set in memory."""

from __future__ import annotations

import pyarrow as pa
from datasets import Dataset

from ..data.tables import table_to_dataset
from ..own_data.streams import ArrowStream
from .columns import input_columns, new_columns
from .labeling import label_window
from .output import OutputForm, RowWriter
from .predictor import Predictor


__all__ = ["predicted_dataset"]

ROWS = 8192


def predicted_dataset(classifier: Predictor, dataset: Dataset, column: str | None, probabilities: bool) -> Dataset:
    """The rows of a data set with the columns of predictions; see :meth:`Classifier.predict_table`."""
    rows = ArrowStream(dataset.with_format(None), "dataset", "")
    columns = input_columns(classifier, rows, column)
    new = new_columns(rows.columns, classifier.label_names, probabilities)
    writer = RowWriter(OutputForm("parquet"), rows, new, classifier.label_names)
    parts, done = [writer.schema.empty_table()], 0
    for window in rows.windows(ROWS):
        parts.append(writer.table(window, label_window(classifier, window, columns.names, done, rows.folder)))
        done += len(window)
    return table_to_dataset(pa.concat_tables(parts))
