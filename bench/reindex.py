"""How fast a course is indexed, and what it costs when nothing, or little, has changed.

Rate: `rag.indexing.reindex` of the demo courses from the text in the database to the switch of the
index, everything embedded anew, beside a bare `SentenceTransformer.encode`, at its defaults, of the
very texts that were embedded; one thread; the model is loaded and its token basis made before,
once, in all of them. By turns: in float32, in what the product chooses on this CPU, bare. The demo
is a course in English and one in Chinese.

Nothing changed: the whole process `manage.py reindex` on 5,000 passages, less the whole process of
a command that does nothing, by turns. What it encoded is read from its trace. One edited chapter:
the same command after one sentence of one chapter was changed. Passages are those of the search
benchmark, their vectors random; the command has the real model.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm

from bench import retrieval_site, site
from bench.peers.environment import VARIABLES
from bench.processes import ROOT, Worker
from bench.retrieval import model_folder
from bench.rows import Row, median, paired_ratio, spread

TITLE = "Reindex"
PASSAGES = 5_000
COURSES = ["calculus", "machine-learning-zh"]
NOTHING = ["shell", "-v", "0", "-c", "pass"]


class Indexer:
    """In the worker: the demo courses, and their reindex."""

    def __init__(self):
        site.start()
        from django.core.management import call_command

        from learning.models import Course
        from rag.indexing import reindex

        Course.objects.filter(slug=site.COURSE).delete()
        call_command("load_demo", password="bench", stdout=io.StringIO())  # noqa: S106
        reindex()  # loads the model and makes what is made once a model

    def round(self, collections: list[str]) -> dict[str, float]:
        from rag.indexing import reindex

        began, cpu = time.perf_counter(), time.process_time()
        report = reindex(collections, full=True)
        seconds = time.perf_counter() - began
        if report.failures:
            raise RuntimeError(str(report.failures[0]))
        cores = (time.process_time() - cpu) / seconds
        return {"seconds": seconds, "passages": report.embedded_chunks, "cores": cores}

    def texts(self, collections: list[str]) -> list[str]:
        """Return what was embedded: each text once."""
        from rag.models import Chunk, IndexVersion

        active = IndexVersion.objects.filter(status="active", collection__in=collections)
        rows = Chunk.objects.filter(document__versions__in=active).order_by("pk")
        texts = (
            f"{' › '.join(path)}\n{text}" for path, text in rows.values_list("heading_path", "text")
        )
        return list(dict.fromkeys(texts))


class Bare:
    """In the worker: what everybody writes first."""

    def __init__(self, model: str):
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(1)
        self.encoder = SentenceTransformer(model)
        self.encoder.encode(["warm-up"] * 8)

    def round(self, texts: list[str]) -> dict[str, float]:
        began, cpu = time.perf_counter(), time.process_time()
        self.encoder.encode(texts)
        seconds = time.perf_counter() - began
        cores = (time.process_time() - cpu) / seconds
        return {"seconds": seconds, "passages": len(texts), "cores": cores}


def measure(quick: bool) -> list[Row]:
    return _rate_rows(quick) + _unchanged_rows(3 if quick else 9)


def _rate_rows(quick: bool) -> list[Row]:
    base = {
        **site.environment(site.template()),
        **VARIABLES,
        "DJANGO_SETTINGS_MODULE": "bench.retrieval_settings",
    }
    ways = {"float32": "float32", "the fast path": "auto"}
    rates: dict[str, list[float]] = {"bare": [], **{way: [] for way in ways}}
    cores: dict[str, list[float]] = {way: [] for way in rates}
    with tempfile.TemporaryDirectory(prefix="coursetrace-bench-") as folder:
        workers = {}
        try:
            workers["bare"] = Worker(
                "bench.reindex:Bare", environment=VARIABLES, model=model_folder()
            )
            for way, precision in ways.items():
                data = Path(folder) / precision
                subprocess.run(["cp", "-r", base["DATA_DIR"], data], check=True)  # noqa: S603, S607
                environment = {**base, "DATA_DIR": str(data), "EMBEDDING_PRECISION": precision}
                workers[way] = Worker("bench.reindex:Indexer", environment=environment)
            texts = {slug: workers["float32"].call("texts", collections=[slug]) for slug in COURSES}
            for turn in tqdm(range(2 if quick else 8), desc="rate", leave=False):
                slug = COURSES[turn % len(COURSES)]
                for way in sorted(workers, reverse=bool(turn // 2 % 2)):
                    work = {"texts": texts[slug]} if way == "bare" else {"collections": [slug]}
                    done = workers[way].call("round", **work)
                    if done["passages"] != len(texts[slug]):
                        raise RuntimeError(f"{way} embedded {done['passages']} passages of {slug}")
                    rates[way].append(done["passages"] / done["seconds"])
                    cores[way].append(done["cores"])
        finally:
            for worker in workers.values():
                worker.close()
    count = sum(map(len, texts.values()))
    limits = {"float32": "≥ 0.95 ×", "the fast path": "≥ 2.0 ×"}
    return [
        {
            "what": f"reindex of {count} passages end to end, {way}",
            "value": median(rates[way]),
            "unit": f"passages a second ({median(cores[way]):.2f} cores)",
            "limit": limits[way],
            "peer": f"encode alone, at its defaults: {median(rates['bare']):.1f} "
            f"({median(cores['bare']):.2f} cores); "
            f"{spread(rates[way], rates['bare'])}",
            "ratio": paired_ratio(rates[way], rates["bare"]),
        }
        for way in ways
    ]


def _unchanged_rows(rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="coursetrace-bench-") as name:
        folder = Path(name)
        variables = retrieval_site.environment(folder, [PASSAGES])
        environment = {**os.environ, **variables}
        _command(environment, ["reindex"])  # the template's own course is gone; that is no change
        nothing, unchanged, check = [], [], []
        for turn in tqdm(range(rounds), desc="nothing changed", leave=False):
            ways = [(NOTHING, nothing), (["check"], check), (["reindex"], unchanged)]
            for arguments, seconds in ways if turn % 2 else reversed(ways):
                seconds.append(_command(environment, arguments))
        beyond = [whole - start for whole, start in zip(unchanged, nothing, strict=True)]
        encoded = _report(environment)
        chapter = _edited(environment)
        seconds = _command(environment, ["reindex"])
        edited = _report(environment)
    return [
        {
            "what": f"reindex with nothing changed, {PASSAGES:,} passages: beyond Django's start",
            "value": median(beyond),
            "unit": f"s (whole process {median(unchanged):.2f})",
            "limit": "≤ 1",
            "peer": f"`manage.py shell -c pass`: {median(nothing):.2f}; "
            f"`manage.py check`: {median(check):.2f}",
        },
        {
            "what": "texts encoded with nothing changed",
            "value": encoded["embedded_chunks"],
            "unit": f"of {PASSAGES:,}, {encoded['unchanged']} chapters unchanged",
            "limit": "≤ 0",
        },
        {
            "what": "passages encoded after one sentence of a chapter was changed",
            "value": edited["embedded_chunks"],
            "unit": f"of {chapter} in that chapter; whole process {seconds:.1f} s, model included",
            "limit": "≤ 2",
        },
    ]


def _command(environment: dict[str, str], arguments: list[str]) -> float:
    """Return the seconds that a whole `manage.py` process takes."""
    began = time.perf_counter()
    subprocess.run(  # noqa: S603 - this interpreter, a command of ours
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def _report(environment: dict[str, str]) -> dict:
    """Return the report of the last reindex, as its trace has it."""
    return _ask(
        environment,
        "from tracing.models import TraceRecord\n"
        "answer = TraceRecord.objects.filter(name='reindex').latest('started_at').output",
    )


def _edited(environment: dict[str, str]) -> int:
    """Change a sentence in one chapter; return how many passages the chapter has."""
    return _ask(
        environment,
        "from learning.models import Chapter\n"
        "from rag.models import Chunk\n"
        "chapter = Chapter.objects.order_by('pk')[100]\n"
        "middle = chapter.text.index('. ', len(chapter.text) // 2)\n"
        "text = f'{chapter.text[:middle]} differently{chapter.text[middle:]}'\n"
        "Chapter.objects.filter(pk=chapter.pk).update(text=text)\n"
        "answer = Chunk.objects.filter(document__key=str(chapter.pk)).count()",
    )


def _ask(environment: dict[str, str], code: str):
    """Run code with the product's models in a process; return its `answer`."""
    done = subprocess.run(  # noqa: S603 - this interpreter, code of ours
        [sys.executable, "-c", f"import django; django.setup()\n{code}\n"
         "import json; print(json.dumps(answer))"],
        cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])
