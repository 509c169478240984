"""Measure retrieval on labelled sets: questions whose right passages are known.

`evaluation.evaluate()` is the use case; `labelled_set` reads a set, `metrics` scores a ranking.
"""
