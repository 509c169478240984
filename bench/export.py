"""How fast traces go out, and whether a long backlog is felt in the chat.

Rate: an outbox full of the product's own turns (four observations each, with their passages and
prompts), one process, an endpoint on this machine that accepts everything; from the first wake to
the last confirmation in the database. Peer: the SDK with the same observations, from its first call
to the end of `flush()`. Backlog: the fifty answers of langfuse_states.py, with a full outbox behind
them and without.
"""

import time

from tqdm import tqdm

from bench import site
from bench.langfuse_states import Crowd
from bench.processes import Worker, serving
from bench.rows import Row, median, paired_ratio

TITLE = "Export"


class Outbox:
    """In the worker: the outbox of this process, or the SDK, with much to send."""

    def __init__(self):
        site.start()

    def send_all(self) -> dict[str, float]:
        """Send what waits; observations a second, CPU microseconds an observation."""
        from tracing import outbox
        from tracing.models import ObservationRecord, TraceRecord

        waiting = TraceRecord.objects.filter(export_after__isnull=False)
        count = ObservationRecord.objects.filter(trace__in=waiting).count()
        cpu, began = time.process_time(), time.perf_counter()
        outbox.wake()
        not_ours = site.settle()
        return _rate(count, began, cpu + not_ours)

    def send_all_by_sdk(self) -> dict[str, float]:
        """The same rows through the calls of the SDK."""
        from langfuse import Langfuse

        from tracing.models import TraceRecord

        waiting = TraceRecord.objects.filter(export_after__isnull=False)
        traces = list(waiting.prefetch_related("observations")[:200])
        sdk = Langfuse()
        count = 0
        cpu, began = time.process_time(), time.perf_counter()
        for row in traces:
            trace = sdk.trace(id=row.id, name=row.name, input=row.input, output=row.output)
            for step in row.observations.all():
                count += 1
                trace.generation(
                    id=step.id,
                    name=step.name,
                    start_time=step.started_at,
                    end_time=step.ended_at,
                    input=step.input,
                    output=step.output,
                    metadata=step.metadata,
                    model=step.model,
                    usage={"input": step.input_tokens, "output": step.output_tokens},
                )
        sdk.flush()
        return _rate(count, began, cpu)


class CrowdWithBacklog(Crowd):
    """Fifty readers in a process whose outbox is full."""

    async def run(self, seconds: float) -> dict[str, float]:
        from asgiref.sync import sync_to_async

        from tracing import outbox
        from tracing.models import ObservationRecord, TraceRecord

        waiting = TraceRecord.objects.filter(export_after__isnull=False)
        left = ObservationRecord.objects.filter(trace__in=waiting)
        before = await sync_to_async(left.count)()
        outbox.wake()
        began = time.perf_counter()
        figures = await super().run(seconds)
        sent = before - await sync_to_async(left.count)()
        return {**figures, "waiting": before, "sent": sent / (time.perf_counter() - began)}


def _rate(count: int, began: float, cpu: float) -> dict[str, float]:
    seconds = time.perf_counter() - began
    return {
        "observations": count,
        "a_second": count / seconds,
        "cpu_us": (time.process_time() - cpu) / count * 1e6,
    }


def measure(quick: bool) -> list[Row]:
    # Four observations a turn of the product.
    rounds, traces, backlog, seconds = (1, 400, 2_500, 3.0) if quick else (2, 2_000, 25_000, 10.0)
    with (
        serving("bench.model_server") as model,
        serving("bench.langfuse_sink") as langfuse,
    ):
        urls = {"model_url": model, "langfuse_url": langfuse}
        return _rate_rows(urls, traces, rounds) + _backlog_rows(urls, backlog, seconds, rounds)


def _rate_rows(urls, traces: int, rounds: int) -> list[Row]:
    waiting = site.with_backlog(traces, **urls)
    ours, sdk = [], []
    for _ in tqdm(range(rounds), desc="rate", leave=False):
        for method, figures in (("send_all", ours), ("send_all_by_sdk", sdk)):
            environment = site.environment(waiting, **urls)
            with Worker("bench.export:Outbox", environment=environment) as worker:
                figures.append(worker.call(method))
    rate = [one["a_second"] for one in ours]
    peer = [one["a_second"] for one in sdk]
    cpu = [one["cpu_us"] for one in ours]
    cpu_of_peer = [one["cpu_us"] for one in sdk]
    return [
        {
            "what": f"observations sent and confirmed, {ours[0]['observations']:,} waiting",
            "value": median(rate),
            "unit": "a second",
            "limit": "≥ 500",
            "peer": f"SDK by hand and flush(): {median(peer):,.0f}",
            "ratio": paired_ratio(rate, peer),
        },
        {
            "what": "CPU of an observation sent",
            "value": median(cpu),
            "unit": "µs",
            "peer": f"SDK by hand and flush(): {median(cpu_of_peer):,.0f}",
            "ratio": paired_ratio(cpu, cpu_of_peer),
        },
    ]


def _backlog_rows(urls, backlog: int, seconds: float, rounds: int) -> list[Row]:
    full = site.with_backlog(backlog, **urls)
    runs = {"empty": [], "full": []}
    for _ in tqdm(range(rounds), desc="backlog", leave=False):
        for name, database in (("empty", site.template()), ("full", full)):
            environment = site.environment(database, **urls)
            path = "bench.export:CrowdWithBacklog"
            with Worker(path, environment=environment, way="traced") as worker:
                runs[name].append(worker.call("run", seconds=seconds))
    p99 = {name: [one["p99"] for one in figures] for name, figures in runs.items()}
    waiting = runs["full"][0]["waiting"]
    sent = median(one["sent"] for one in runs["full"])
    return [
        {
            "what": f"fifty answers at once while a backlog of {waiting:,} observations drains",
            "value": median(p99["full"]),
            "unit": f"ms p99 of a token ({sent:,.0f} observations a second meanwhile)",
            "limit": "≤ 1.2 ×",
            "peer": f"without the backlog: {median(p99['empty']):.1f}",
            "ratio": paired_ratio(p99["full"], p99["empty"]),
        }
    ]
