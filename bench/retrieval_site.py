"""Fill a database with courses to search: `python -m bench.retrieval_site FOLDER 1000 5000`.

Everything but the model is the product's: chapters are cut and stored by its own `reindex`. To
embed 20,000 passages takes half an hour, so vectors are random, of length one: a search computes
the same whatever they hold. The smaller courses are the beginning of the largest.

For each size FOLDER/SIZE gets the passages as the others need them: texts.json, vectors.npy, and
questions.json.
"""

import argparse
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np

from bench import site
from bench.processes import ROOT
from rag.embedders.base import Encoding
from rag.embedders.sentence_transformer import SentenceTransformerEmbedder

QUESTIONS = 600


class RandomVectors(SentenceTransformerEmbedder):
    """Passes for the packaged model, and gives each text a vector, and its words, by chance."""

    dimension = 384

    def encode_passages(self, texts):
        return [
            self._encoding_of(text, count)
            for text, count in zip(texts, self.count_tokens(texts), strict=True)
        ]

    def token_basis(self, dimension):
        drawn = np.random.default_rng(0).normal(size=(self.dimension, dimension))
        return np.linalg.qr(drawn)[0].astype(np.float32)

    def _encoding_of(self, text: str, count: int) -> Encoding:
        drawn = np.random.default_rng(zlib.crc32(text.encode()))
        words = _words()
        vector = drawn.normal(size=self.dimension).astype(np.float32)
        count = min(count, self.max_tokens - 2)
        return Encoding(
            vector=vector / np.linalg.norm(vector),
            token_count=count,
            unknown_share=0.0,
            token_vectors=words[drawn.integers(len(words), size=count)],
        )


def _words(cache: list = []) -> np.ndarray:  # noqa: B006  meant to be kept
    if not cache:
        drawn = np.random.default_rng(1).normal(size=(5_000, 384)).astype(np.float32)
        cache.append(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
    return cache[0]


def environment(folder: Path, sizes: list[int], **settings: str) -> dict[str, str]:
    """Make a site with a course of each size; return the variables of its workers."""
    variables = {
        **site.environment(site.template()),
        "DJANGO_SETTINGS_MODULE": "bench.retrieval_settings",
        **settings,
    }
    subprocess.run(  # noqa: S603 - this interpreter, a module of ours
        [sys.executable, "-m", "bench.retrieval_site", str(folder), *map(str, sizes)],
        cwd=ROOT,
        env={
            **os.environ,
            **variables,
            "BENCH_EMBEDDER": "bench.retrieval_site.RandomVectors",
        },
        check=True,
    )
    return variables


def slug_of(size: int) -> str:
    return f"passages-{size}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", type=int, nargs="+")
    arguments = parser.parse_args()
    site.start()
    from learning.models import Course

    Course.objects.filter(slug=site.COURSE).delete()
    for size in sorted(arguments.sizes):
        _fill(arguments.folder / str(size), size)


def _fill(folder: Path, size: int) -> None:
    from bench.retrieval_text import Author
    from learning.models import Chapter, Course
    from rag.embedders.base import get_embedder
    from rag.indexing import reindex
    from rag.models import Chunk

    course = Course.objects.create(slug=slug_of(size), title=f"{size} passages", is_open=True)
    author = Author(1, get_embedder().count_tokens)
    Chapter.objects.bulk_create(
        Chapter(
            course=course,
            slug=f"chapter-{position}",
            title=title,
            position=position,
            text=text,
        )
        for position, (title, text) in enumerate(author.chapters(size), start=1)
    )
    report = reindex([course.slug])
    if report.failures:
        raise RuntimeError(str(report.failures[0]))
    chunks = Chunk.objects.filter(document__collection=course.slug).order_by("pk")
    rows = list(chunks.values_list("heading_path", "text", "vector__vector"))
    texts = [f"{' › '.join(path)}\n{text}" for path, text, _ in rows]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.json").write_text(json.dumps(texts))
    vectors = np.frombuffer(b"".join(bytes(row[2]) for row in rows), dtype="<f4")
    np.save(folder / "vectors.npy", vectors.reshape(len(rows), -1))
    # Of each size its own: whoever remembers questions shall have nothing of it.
    asker = Author(size, get_embedder().count_tokens)
    questions = [asker.question(asker.chance.choice(texts)) for _ in range(QUESTIONS)]
    (folder / "questions.json").write_text(json.dumps(questions))


if __name__ == "__main__":
    main()
