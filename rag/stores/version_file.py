"""The vectors of a version in a file, which all processes of a machine share.

Token vectors take 12 kB a passage, too much for the heap of every web process: mapped into memory,
one copy of what is read stays in the system's page cache. The file also spares them the way through
the database. That remains the truth: a file that is missing, or of other passages, is written anew.

The file holds the token vectors, the matrix, then as int64 for each passage where its token vectors
begin and end, the passages' ids, the matrix's shape and a mark.
"""

import functools
import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings

from rag.late_interaction import DIMENSION
from rag.models import ChunkVector, IndexVersion
from rag.stores.rows import VersionRows, batches

logger = logging.getLogger(__name__)

UNFINISHED = ".unfinished-"
LEFT_BEHIND_SECONDS = 3600  # after which an unfinished file is nobody's
_MARK = 0x0176_6563_746F_7273  # to be changed with the form of the file
_END = 3  # numbers: rows and columns of the matrix, mark


@dataclass(frozen=True)
class VersionVectors:
    """The vectors of a version; rows are in the order of chunk ids."""

    matrix: np.ndarray  # float32 (passages, dimension), in memory
    tokens: np.ndarray  # int8 (all tokens, 64), mapped
    spans: np.ndarray  # int64 (passages, 2): each one's first token, and the one after its last

    def token_vectors(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return views, int8 (tokens, 64)."""
        tokens = self.tokens
        return [tokens[begin:end] for begin, end in self.spans[rows].tolist()]


def open_vectors(rows: VersionRows) -> VersionVectors:
    """Read the vectors of a version from its file, which is written first where there is none.

    Where no file can be written all is held in memory, and the log says so once.
    """
    path = folder() / _file_name(rows.version)
    try:
        found = _read(path, rows.chunk_ids)
        if found is None:
            _write(path, rows)
            _remove_others()
            found = _read(path, rows.chunk_ids)
    except OSError as error:
        _warn_once(path.parent, error.strerror)
        found = None
    return found or _in_memory(rows)


def folder() -> Path:
    return Path(settings.DATA_DIR) / "cache" / "vectors"


def _file_name(version: IndexVersion) -> str:
    # A restored database may give the number of a version to another one.
    return f"{version.pk}-{version.created_at:%Y%m%dT%H%M%S%f}.bin"


def _read(path: Path, chunk_ids: np.ndarray) -> VersionVectors | None:
    """Open a file; None if it is not there, cut short, or not of these passages."""
    count = len(chunk_ids)
    index = np.zeros(3 * count + _END, dtype="<i8")
    with suppress(FileNotFoundError), path.open("rb") as file:
        index_at = os.fstat(file.fileno()).st_size - index.nbytes
        if index_at < 0:
            return None
        file.seek(index_at)
        file.readinto(index)
        spans, ids, (rows, columns, mark) = np.split(index, [2 * count, 3 * count])
        matrix_at = index_at - 4 * int(rows * columns)
        is_whole = (
            mark == _MARK and matrix_at >= 0 and matrix_at == DIMENSION * spans.max(initial=0)
        )
        if not is_whole or rows != count or not np.array_equal(ids, chunk_ids):
            return None
        file.seek(matrix_at)
        matrix = np.fromfile(file, dtype="<f4", count=rows * columns).reshape(rows, columns)
        # As a plain array: slices of a memmap object take ten times as long.
        tokens = np.asarray(np.memmap(file, dtype=np.int8, mode="r"))[:matrix_at]
        return VersionVectors(matrix, tokens.reshape(-1, DIMENSION), spans.reshape(-1, 2))
    return None


def _write(path: Path, rows: VersionRows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=UNFINISHED, delete=False) as file:
        try:
            matrix, spans = _copy(rows.vector_ids, file.write)
            file.write(matrix.tobytes())
            index = [spans.ravel(), rows.chunk_ids, [*matrix.shape, _MARK]]
            file.write(np.concatenate(index).astype("<i8").tobytes())
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _in_memory(rows: VersionRows) -> VersionVectors:
    held = bytearray()
    matrix, spans = _copy(rows.vector_ids, held.extend)
    tokens = np.frombuffer(held, dtype=np.int8).reshape(-1, DIMENSION)
    return VersionVectors(matrix, tokens, spans)


def _copy(
    vector_ids: np.ndarray, write: Callable[[bytes], object]
) -> tuple[np.ndarray, np.ndarray]:
    """Read vectors, and `write` token vectors, from the database. Returns matrix and spans.

    Passages of the same words share a vector, which is read once.
    """
    distinct, place = np.unique(vector_ids, return_inverse=True)
    vectors: list[np.ndarray] = []
    ends: list[int] = [0]
    for ids in batches(distinct.tolist()):
        held = ChunkVector.objects.filter(pk__in=ids).order_by("pk")
        found = list(held.values_list("vector", "token_vectors"))
        if len(found) < len(ids):
            raise IndexVersion.DoesNotExist  # it was removed meanwhile, and its vectors with it
        joined = b"".join(vector for vector, _ in found)
        vectors.append(np.frombuffer(joined, dtype="<f4").reshape(len(ids), -1))
        for _, token_vectors in found:
            token_vectors = token_vectors or b""
            write(token_vectors)
            ends.append(ends[-1] + len(token_vectors) // DIMENSION)
    matrix = np.concatenate(vectors)[place] if vectors else np.zeros((0, 0), dtype=np.float32)
    return matrix, np.column_stack([ends[:-1], ends[1:]]).astype(np.int64)[place]


def _remove_others() -> None:
    """Remove the files of versions that are gone, and what killed processes left behind."""
    # Listed before the versions are read: a file that is written meanwhile is not among them.
    files = list(folder().iterdir())
    kept = {_file_name(version) for version in IndexVersion.objects.only("created_at")}
    for file in files:
        with suppress(OSError):
            if file.name.startswith(UNFINISHED):
                if file.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS:
                    file.unlink()
            elif file.name not in kept:
                file.unlink()


@functools.cache
def _warn_once(where: Path, problem: str) -> None:
    logger.warning(
        "vectors cannot be kept in %s (%s): each process holds them in its memory, 12 kB a passage",
        where,
        problem,
    )
