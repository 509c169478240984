"""How long tracing holds the event loop: answers of 3,000 chunks, and prompts of 200 kB.

Held per turn: wall time inside the calls of tracing (blocks entered and left, `chunk_received`) on
the loop's thread, with the product's recorder and outbox at work beside it. Blocked: how late the
loop hears a beat that comes each millisecond (metronome.py), the worst of each turn and of the 0.3
s after it, when rows are written and sent; beside it the same turns untraced. That also shows what
cannot be seen from inside a call: threads that hold the GIL. The model is a coroutine in the same
process and costs nearly nothing, so that nothing else blocks; the drop-in needs the real client,
and has it as its peer.
"""

import asyncio
from contextlib import ExitStack

from tqdm import tqdm

from bench import answers, site
from bench.metronome import Metronome
from bench.processes import Worker, serving
from bench.rows import Row, median, percentile
from bench.stopwatch import Stopwatch

TITLE = "Event loop held by tracing"
AFTERMATH_SECONDS = 0.3
ENGLISH = "A limit says what value a function approaches as its input approaches a point. "
CHINESE = "极限说明当自变量趋近某一点时函数趋近的值，它不必等于函数在该点的值。"
CASES = {
    "300 chunks": {"chunks": 300, "language": "", "prompt_bytes": 0},
    "3,000 chunks": {"chunks": 3000, "language": "", "prompt_bytes": 0},
    "200 kB prompt, English": {"chunks": 300, "language": ENGLISH, "prompt_bytes": 200_000},
    "200 kB prompt, Chinese": {"chunks": 300, "language": CHINESE, "prompt_bytes": 200_000},
}


class Blocks:
    """In the worker: turns whose model is a coroutine: untraced, traced, or by hand."""

    def __init__(self):
        site.start()
        from langfuse import Langfuse

        self.sdk = Langfuse()
        self.stopwatch = Stopwatch()
        self.metronome = None

    async def turn(self, way: str, chunks: int, language: str, prompt_bytes: int) -> dict:
        """One turn and its aftermath; milliseconds."""
        if self.metronome is None:
            self.metronome = Metronome()
            await asyncio.sleep(0.5)
            site.warmed_up()
        prompt = language * (prompt_bytes // len(language.encode())) if language else "A question"
        self.stopwatch.restart()
        self.metronome.forget()
        await getattr(self, f"_{way}")(prompt, chunks)
        await asyncio.sleep(AFTERMATH_SECONDS)
        return {
            "held": self.stopwatch.total_seconds * 1000,
            "longest_call": self.stopwatch.longest_seconds * 1000,
            "blocked": max(self.metronome.lateness) * 1000,
            "p99": percentile(self.metronome.lateness, 0.99) * 1000,
        }

    async def _untraced(self, prompt: str, chunks: int) -> None:
        await _model(chunks, lambda: None)

    async def _traced(self, prompt: str, chunks: int) -> None:
        """The blocks of the product's turn, with as much content as there."""
        from learning.llm.base import ChatMessage
        from tracing import Usage, generation, span, trace

        messages = [ChatMessage("system", prompt), ChatMessage("user", "What is a limit?")]
        with self.stopwatch.watching_tracing():
            async with trace(
                "ai_chat",
                user_id="user-1",
                session_id="conversation-1",
                tags=["assistant", "course", "course:plants"],
                input={"user_message": "What is a limit?", "system_prompt": prompt},
            ) as turn:
                with span("retrieve", input={"query": "What is a limit?"}) as found:
                    with generation("embedding", model="words", input={"text_count": 1}) as one:
                        one.usage = Usage(input=6)
                    with span("rerank", input={"query": "What is a limit?"}) as ranked:
                        ranked.output = {"reranked_count": 6}
                    found.output = {"passages": [{"id": n, "text": ENGLISH} for n in range(6)]}
                with generation("llm_call", model="bench", input=messages) as answer:
                    await _model(chunks, answer.chunk_received)
                    answer.output = "word " * chunks
                    answer.usage = Usage(input=1941, output=chunks)
                turn.output = {"response": "word " * chunks}
        self.stopwatch.add_many(answer.chunk_received, times=chunks)

    async def _by_hand(self, prompt: str, chunks: int) -> None:
        asked = {"user_message": "What is a limit?", "system_prompt": prompt}
        with self.stopwatch.watching():
            trace = self.sdk.trace(name="ai_chat", input=asked, user_id="user-1")
        await _model(chunks, lambda: None)
        text = "word " * chunks
        with self.stopwatch.watching():
            trace.generation(
                name="llm_call",
                model="bench",
                input=[{"role": "system", "content": prompt}],
                output=text,
                usage={"input": 1941, "output": chunks, "total": 1941 + chunks},
            )
        with self.stopwatch.watching():
            trace.update(output={"response": text})


class Client:
    """In the worker: answers through the openai client, with the drop-in or without."""

    def __init__(self, way: str):
        self.way = answers.way(way)
        self.metronome = None

    async def turn(self, chunks: int) -> dict:
        if self.metronome is None:
            self.metronome = Metronome()
            await self.way.answer("bench-30-0", lambda text: None)
            await asyncio.sleep(0.5)
            site.warmed_up()
        self.metronome.forget()
        # Ten chunks each ten milliseconds or so: the reading itself must not hold the loop.
        await self.way.answer(f"bench-{chunks}-1", lambda text: None)
        await asyncio.sleep(AFTERMATH_SECONDS)
        return {"blocked": max(self.metronome.lateness) * 1000}


async def _model(chunks: int, received) -> None:
    """Ten chunks a millisecond, as a quick model's packets come."""
    for number in range(chunks):
        received()
        if number % 10 == 0:
            await asyncio.sleep(0.001)


def measure(quick: bool) -> list[Row]:
    rounds = 6 if quick else 20
    with (
        serving("bench.model_server") as model,
        serving("bench.langfuse_sink") as langfuse,
    ):
        environment = site.environment(site.template(), model_url=model, langfuse_url=langfuse)
        return _blocks_rows(environment, rounds) + _client_rows(environment, max(3, rounds // 3))


def _blocks_rows(environment, rounds: int) -> list[Row]:
    rows: list[Row] = []
    with Worker("bench.tracing_loop:Blocks", environment=environment) as worker:
        for way in ("traced", "by_hand"):
            worker.call("turn", way=way, **CASES["300 chunks"])
        for case, content in CASES.items():
            turns = {"untraced": [], "traced": [], "by_hand": []}
            for turn in tqdm(range(rounds), desc=case, leave=False):
                for way, figures in turns.items():
                    if way == "by_hand" and turn % 3:
                        continue  # a peer, for scale
                    figures.append(worker.call("turn", way=way, **content))
            rows += _rows_of_case(case, turns)
    return rows


def _rows_of_case(case: str, turns: dict[str, list[dict]]) -> list[Row]:
    def middle(way: str, figure: str) -> float:
        return median(turn[figure] for turn in turns[way])

    def worst(way: str) -> float:
        return max(turn["longest_call"] for turn in turns[way])

    quiet, traced = middle("untraced", "blocked"), middle("traced", "blocked")
    by_hand = middle("by_hand", "blocked")
    return [
        {
            "what": f"{case}: loop held by tracing a turn",
            "value": middle("traced", "held"),
            "unit": "ms",
            "limit": "≤ 0.3",
            "peer": f"three SDK calls by hand: {middle('by_hand', 'held'):.2f}",
            "ratio": middle("traced", "held") / middle("by_hand", "held"),
        },
        {
            "what": f"{case}: longest call of tracing in a turn",
            "value": middle("traced", "longest_call"),
            "unit": f"ms (worst of all turns: {worst('traced'):.2f})",
            "limit": "≤ 1",
            "peer": f"SDK: {middle('by_hand', 'longest_call'):.2f} ({worst('by_hand'):.2f})",
        },
        {
            "what": f"{case}: longest silence of the loop in a turn, over untraced",
            "value": traced - quiet,
            "unit": f"ms (untraced {quiet:.2f}, traced {traced:.2f})",
            "limit": "≤ 1",
            "peer": f"SDK by hand: {by_hand - quiet:+.2f}",
        },
    ]


def _client_rows(environment, rounds: int) -> list[Row]:
    rows: list[Row] = []
    with ExitStack() as stack:
        workers = {
            way: stack.enter_context(
                Worker("bench.tracing_loop:Client", environment=environment, way=way)
            )
            for way in ("plain", "dropin")
        }
        for chunks in (300, 3000):
            blocked = {way: [] for way in workers}
            for _ in range(rounds if chunks == 300 else max(2, rounds // 2)):
                for way, worker in workers.items():
                    blocked[way].append(worker.call("turn", chunks=chunks)["blocked"])
            quiet, dropin = median(blocked["plain"]), median(blocked["dropin"])
            rows.append(
                {
                    "what": f"peer: `langfuse.openai` drop-in, {chunks:,} chunks, longest silence",
                    "value": dropin,
                    "unit": "ms",
                    "peer": f"plain client: {quiet:.2f}",
                    "ratio": dropin / quiet,
                }
            )
    return rows
