"""A site whose embedding model takes its time."""

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import RAG

RAG["EMBEDDER"] = "tests.faults.slow_model.SlowEmbedder"
