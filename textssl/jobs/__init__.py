"""Jobs over a whole corpus: a function of record batches, run on one machine or several, whole after a kill.

A job is a callable from columns of rows to columns of results. Its engines, ``local`` and ``ray`` (Ray Data, for more
than one machine; ``pip install 'textssl[ray]'``), write the same files.
"""

from ..progress import ShowProgress, counted
from .job import Job
from .run import ENGINES, run_job
from .shards import Shards, open_shards


__all__ = ["ENGINES", "Job", "Shards", "ShowProgress", "counted", "open_shards", "run_job"]
