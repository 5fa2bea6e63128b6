"""Building a bank of sentences, whole after a kill at any moment.

Texts pass through in batches; what grows with the bank is 8 bytes a sentence for the hashes of those already there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..augment.text.sentences import cut
from ..errors import UserError
from ..files import write_atomically
from ..jobs import ShowProgress, counted
from .bank import FACTS, Bank, BankFacts, BankShard, BankSource, check_shard, open_bank
from .documents import Documents, TextSource, as_documents
from .keys import KeySet, sentence_keys


__all__ = ["build_bank"]

SCHEMA = pa.schema([("text", pa.string()), ("source", pa.int32()), ("document", pa.int64())])
# Documents cut at a time: a few megabytes of reviews.
BATCH_DOCUMENTS = 1024


def build_bank(
    sources: Mapping[str, TextSource] | Sequence[TextSource],
    folder: str | os.PathLike[str],
    *,
    text_column: str | Mapping[str, str] = "text",
    min_chars: int = 10,
    max_chars: int = 300,
    shard_sentences: int = 1 << 20,
    add: bool = False,
    progress: bool | ShowProgress = True,
) -> Bank:
    """Cut texts into sentences and keep the different ones on disk.

    A sentence that the bank has already, but for case and white space, is left out. The work goes on where it was
    after a kill: finished shards are read once for their hashes and not made again, and the bank is the same as
    without a kill. Files are read in pieces and may be larger than memory, which needs 8 bytes for each sentence of
    the bank, at times 16, besides one shard.

    Args:
        sources: by name, or in order, when files are called by their file names: ``.txt``, where each line is a
            document; ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``; a folder of ``Dataset.save_to_disk``; a data set.
        folder: of the bank; made where it is missing.
        text_column: of the texts, in all sources that have columns; or of each source, by its name.
        min_chars: shorter sentences are left out.
        max_chars: longer sentences are cut, at a punctuation mark or a space where there is one.
        shard_sentences: of a shard, about: what a kill can lose, and what an index is built for apart.
        add: let a bank grow by sources that it has not yet; its shards are left as they are.
        progress: as for :func:`textssl.jobs.run_job`.

    Returns:
        The bank.

    Raises:
        UserError: a source that cannot be read, two of one name, or none with a sentence; settings out of range or
            other than those of the bank; a bank of other sources without ``add``; a shard that was cut or changed.
    """
    _check_sizes(min_chars, max_chars, shard_sentences)
    documents = _named(sources, text_column)
    folder = Path(folder)
    facts = _begun(folder, BankFacts(min_chars, max_chars), documents, add)
    if not all(source.complete for source in facts.sources):
        known = _known(folder, facts)
        for part in documents:
            number = next(n for n, source in enumerate(facts.sources) if source.name == part.name)
            if not facts.sources[number].complete:
                _Filling(folder, facts, number, known, shard_sentences).fill(part, progress)
    if not facts.shards:
        raise UserError(f"sources: {[part.name for part in documents]} hold no sentence of {min_chars} characters")
    return open_bank(folder)


class _Filling:
    """The sentences of one source, on their way to shards."""

    def __init__(self, folder: Path, facts: BankFacts, number: int, known: KeySet, shard_sentences: int) -> None:
        self.folder = folder
        self.facts = facts
        self.number = number
        self.known = known
        self.shard_sentences = shard_sentences
        self.source: BankSource = facts.sources[number]
        self.batches: list[pa.RecordBatch] = []

    def fill(self, documents: Documents, progress: bool | ShowProgress) -> None:
        """Read on from the first document that is in no shard."""
        first, finished = 0, self.source.documents
        with counted(progress, None, finished, documents.name, "document") as bar:
            for texts in documents.batches(BATCH_DOCUMENTS):
                # Shards end where batches do, and batches are always the same.
                if first >= finished:
                    self._take(first, texts)
                    bar.advance(len(texts))
                first += len(texts)
        self.source.complete = True
        self._flush()

    def _take(self, first: int, texts: Iterable[str]) -> None:
        sentences: list[str] = []
        numbers: list[int] = []
        for number, text in enumerate(texts, first):
            self.source.documents = number + 1
            # Cut gives pieces shorter than its limit.
            pieces = cut(text, self.facts.max_chars + 1)
            enough = [piece for piece in pieces if len(piece) >= self.facts.min_chars]
            self.source.short += len(pieces) - len(enough)
            sentences += enough
            numbers += [number] * len(enough)
        new = np.flatnonzero(self.known.add(sentence_keys(sentences)))
        self.source.duplicates += len(sentences) - len(new)
        self.source.sentences += len(new)
        columns = [
            pa.array([sentences[i] for i in new], pa.string()),
            pa.array(np.full(len(new), self.number, np.int32)),
            pa.array(np.asarray(numbers, np.int64)[new]),
        ]
        self.batches.append(pa.record_batch(columns, schema=SCHEMA))
        if sum(map(len, self.batches)) >= self.shard_sentences:
            self._flush()

    def _flush(self) -> None:
        """Write a shard, then the description that has it and the documents it ends with."""
        rows = sum(map(len, self.batches))
        if rows:
            sink = pa.BufferOutputStream()
            # Streams, not files, are what datasets maps into memory.
            with pa.ipc.new_stream(sink, SCHEMA) as writer:
                for batch in self.batches:
                    writer.write_batch(batch)
            content = sink.getvalue()
            sha256 = hashlib.sha256(content).hexdigest()
            file = f"shards/sentences-{len(self.facts.shards):06d}-{sha256[:32]}.arrow"
            write_atomically(self.folder / file, content)
            self.facts.shards.append(BankShard(file, rows, content.size, sha256, self.number))
        self.batches = []
        self.facts.write(self.folder)


def _check_sizes(min_chars: int, max_chars: int, shard_sentences: int) -> None:
    if min_chars < 1:
        raise UserError(f"min_chars: got {min_chars}; expected at least 1")
    if max_chars < min_chars:
        raise UserError(f"max_chars: got {max_chars}; expected at least min_chars, which is {min_chars}")
    if shard_sentences < 1:
        raise UserError(f"shard_sentences: got {shard_sentences}; expected at least 1")


def _named(
    sources: Mapping[str, TextSource] | Sequence[TextSource], column: str | Mapping[str, str]
) -> list[Documents]:
    if isinstance(sources, str | os.PathLike) or not sources:
        raise UserError(f"sources: got {sources!r}; expected a list of files or data sets, or a mapping by name")
    if isinstance(sources, Mapping):
        columns = dict.fromkeys(sources, column) if isinstance(column, str) else column
        return [as_documents(source, name, columns[name]) for name, source in sources.items()]
    if not isinstance(column, str):
        raise UserError(f"text_column: got {column!r}; columns by name are for sources by name")
    documents = [as_documents(source, None, column) for source in sources]
    names = [part.name for part in documents]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"sources: two are called {twice[0]!r}; give a mapping by name")
    return documents


def _begun(folder: Path, fresh: BankFacts, documents: Sequence[Documents], add: bool) -> BankFacts:
    """What ``folder`` has of the bank, with the sources that it shall have; new ones are empty."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"folder: got {str(folder)!r}, which is a file; give a folder")
    there = (folder / FACTS).exists()
    facts = BankFacts.read(folder) if there else fresh
    for name in ("min_chars", "max_chars"):
        if (old := getattr(facts, name)) != (new := getattr(fresh, name)):
            raise UserError(f"{name}: got {new}, and the bank {str(folder)!r} was built with {old}")
    known = {source.name: source for source in facts.sources}
    for part in documents:
        source = BankSource(part.name, part.checksum(), part.column)
        if part.name not in known:
            if there and not add:
                raise UserError(
                    f"sources: the bank {str(folder)!r} has {sorted(known)} and not {part.name!r}; pass add to add it"
                )
            facts.sources.append(source)
        elif (old := known[part.name].checksum) != source.checksum:
            raise UserError(
                f"sources: {part.name!r} is another than in the bank {str(folder)!r}: SHA-256 {source.checksum[:12]}, "
                f"and {old[:12]} there; give it another name to add it"
            )
    given = {part.name for part in documents}
    if missing := [s.name for s in facts.sources if not s.complete and s.name not in given]:
        raise UserError(f"sources: the bank {str(folder)!r} is not finished; it still needs {missing}")
    return facts


def _known(folder: Path, facts: BankFacts) -> KeySet:
    """The hashes of all sentences in finished shards."""
    known = KeySet()
    for shard in facts.shards:
        check_shard(folder, shard, verify=True)
        with pa.memory_map(str(folder / shard.file)) as mapped, pa.ipc.open_stream(mapped) as reader:
            for batch in reader:
                known.add(sentence_keys(batch.column("text").to_pylist()))
    return known
