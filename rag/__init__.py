"""Retrieval: find the passages of a collection that answer a question.

`indexing.reindex()` writes the index, `search.search()` reads it. The text comes from whatever
`RAG["SOURCE"]` names; this app knows no courses and no students.
"""
