"""Fill the benchmark's database with traces that wait to be sent.

    python -m bench.backlog --traces 1000 [--small]

One turn of the product is recorded as ever; its rows are copied under new ids. `--small`: the words
of the copies are cut, for when only their number matters.
"""

import argparse
import asyncio
import uuid

from bench import site
from bench.turns import ProductTurn

AT_ONCE = 500


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill the database with traces that wait.")
    parser.add_argument("--traces", type=int, required=True)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()

    asyncio.run(ProductTurn("bench-300-0").ask())
    site.settle()
    from tracing import recorder

    recorder.shut_down()  # what comes now stays until another process sends it
    _copy(options.traces, is_small=options.small)


def _copy(count: int, *, is_small: bool) -> None:
    from django.db import transaction
    from django.utils import timezone

    from tracing.models import ExportState, ObservationRecord, TraceRecord

    trace = TraceRecord.objects.latest("started_at")
    steps = list(trace.observations.all())
    if is_small:
        for row in (trace, *steps):
            row.input, row.output = {"user_message": "What is a limit?"}, None
        steps = steps[-1:]
    trace.export_state, trace.export_after = ExportState.NEW, timezone.now()
    trace.exported_at = None
    for begin in range(0, count, AT_ONCE):
        traces, observations = [], []
        for _ in range(min(AT_ONCE, count - begin)):
            copy = _with_id(trace, str(uuid.uuid4()))
            new_ids = {step.id: str(uuid.uuid4()) for step in steps}
            traces.append(copy)
            observations += [
                _with_id(
                    step,
                    new_ids[step.id],
                    trace_id=copy.id,
                    parent_id=new_ids.get(step.parent_id, ""),
                )
                for step in steps
            ]
        with transaction.atomic():
            TraceRecord.objects.bulk_create(traces)
            ObservationRecord.objects.bulk_create(observations)


def _with_id(row, new_id: str, **others):
    fields = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return type(row)(**{**fields, "id": new_id, **others})


if __name__ == "__main__":
    main()
