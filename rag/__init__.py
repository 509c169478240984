"""Retrieval: find the passages of a collection that answer a question.

`indexing.reindex()` writes the index, `search.search()` reads it. The text comes from whatever
`RAG["SOURCE"]` names; this app knows no courses and no students.
"""

import os

# Before numpy is loaded anywhere: the threads of a matrix product wait by spinning, and one product
# of ours is over before a second thread has begun.
for _library in ("OPENBLAS", "MKL", "OMP"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
