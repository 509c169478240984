"""Judge a trace: a thumb, a mark, now or long after it ended."""

import math
import uuid
from dataclasses import dataclass

from tracing import recorder
from tracing.blocks import harmless


@dataclass(frozen=True, slots=True)
class Score:
    """A judgement of a trace. One per name: `id` is made from both, so a later one replaces it."""

    id: str
    trace_id: str
    name: str
    value: float | None
    comment: str = ""


@harmless
def score(trace_id: str, name: str, value: float | None, *, comment: str = "") -> Score | None:
    """Judge a trace, now or long after it ended. The same name replaces; None takes back."""
    if value is not None and not math.isfinite(value):
        raise ValueError(f"a score is a finite number, not {value}")
    judged = Score(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{trace_id}:{name}")),
        trace_id=trace_id,
        name=name,
        value=value,
        comment=comment,
    )
    recorder.get_recorder().scored(judged)
    return judged
