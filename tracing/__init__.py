"""Tracing of model calls: one context manager, never in the way, nothing ever lost.

`trace`, `span` and `generation` open a block; `traced` wraps a plain function; `score` judges a
trace afterwards. See README.md in this folder.
"""

from tracing.attribution import attributed, pseudonym
from tracing.blocks import Status
from tracing.decorators import traced
from tracing.observations import Usage, current_trace, generation, span, trace
from tracing.scores import score

__all__ = [
    "Status",
    "Usage",
    "attributed",
    "current_trace",
    "generation",
    "pseudonym",
    "score",
    "span",
    "trace",
    "traced",
]
