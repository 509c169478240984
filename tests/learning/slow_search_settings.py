"""A site whose search, and whose reindex, take half a minute."""

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import RAG

RAG["EMBEDDER"] = "tests.learning.slow_search.SlowSearchEmbedder"
