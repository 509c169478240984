"""bench/settings.py with the packaged model and what a worker's environment asks for."""

import os

from bench.settings import *  # noqa: F403
from config.settings import RAG

RAG["EMBEDDER"] = (
    os.environ.get("BENCH_EMBEDDER")
    or "rag.embedders.sentence_transformer.SentenceTransformerEmbedder"
)
if chosen := os.environ.get("BENCH_RERANKER"):
    RAG["RERANKER"] = chosen
