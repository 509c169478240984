"""The product's own settings, in a folder and an environment of the benchmark (see site.py)."""

import os

from config.settings import *  # noqa: F403
from config.settings import LOGGING, RAG

# Unless asked for, words are counted instead of running a neural network: the rest of a turn is
# what is measured, and against a smaller whole tracing weighs more, not less.
if not os.environ.get("BENCH_PACKAGED_EMBEDDER"):
    RAG["EMBEDDER"] = "tests.rag.parts.WordEmbedder"
# A Langfuse that hangs is part of the measurement, and its warnings are not for these tables.
LOGGING["root"]["level"] = "CRITICAL"
# Work beside the requests would be measured with them, except where the server itself is measured.
UPKEEP = bool(os.environ.get("BENCH_UPKEEP"))
