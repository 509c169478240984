"""What students notice of a course that is being gone through: the time to the first token.

A course of thirty chapters has its word cloud, knowledge graph and quiz made, again and again, by
the real task worker (`manage.py worker`) in a process of its own, while one student after the other
asks a question of their own; blocks of questions with and without that take turns, on the same
server. Timed is what the server adds, as in the topic of the first token: a model that answers at
once stands for the provider, so that nothing else hides a delay. Without a key the worker computes
all the time; with one it mostly waits for the model, which answers at 50 chunks a second. The
server has one core, students and model the other; the worker may use both.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, cycle, islice

from tqdm import tqdm

from bench import site, streaming_site
from bench.processes import ROOT, Worker, serving
from bench.rows import Row, paired_ratio, percentile, spread
from bench.streaming_site import Server, on_core

TITLE = "Time to the first token while study artefacts are made"
CHAPTERS = 30
TEXTS = ROOT / "learning" / "demo" / "calculus"
LOOK_SECONDS = 0.1
WAYS = {"key": "with a model", "no key": "without a key"}


class Staff:
    """In a process of its own: has all three kinds made of a course, as long as it is told to."""

    def __init__(self):
        site.start()
        from learning.models import Chapter, Course

        self.course = Course.objects.create(slug="calculus", title="Calculus")
        texts = [path.read_text() for path in sorted(TEXTS.glob("[0-9]*.md"))]
        Chapter.objects.bulk_create(
            Chapter(
                course=self.course,
                slug=f"part-{number}",
                title=f"Part {number}",
                position=number,
                text=text.split("---", 2)[-1].lstrip(),
            )
            for number, text in enumerate(islice(cycle(texts), CHAPTERS))
        )
        self.is_asking = threading.Event()

    def begin(self) -> None:
        """Return when the worker is at it."""
        self.is_asking.set()
        self.thread = threading.Thread(target=self._ask_again_and_again)
        self.thread.start()
        while not self._jobs(status="running").exists():
            time.sleep(LOOK_SECONDS)

    def end(self) -> int:
        """Cancel what runs; return how many chapters were gone through."""
        from learning import jobs

        self.is_asking.clear()
        self.thread.join()
        for job in self._jobs(status__in=jobs.UNFINISHED):
            jobs.cancel(job)
        while self._jobs(status__in=jobs.UNFINISHED).exists():
            time.sleep(LOOK_SECONDS)
        if failed := self._jobs(status="failed").first():
            raise RuntimeError(f"{failed} failed: {failed.message}")
        chapters = sum(len(job.chapters_done) for job in self._jobs())
        self._jobs().delete()
        return chapters

    def _ask_again_and_again(self) -> None:
        from django.db import connections

        from learning import jobs
        from learning.artefacts import requesting

        while self.is_asking.is_set():
            for kind in requesting.Kind:
                if not self._jobs(kind=kind, status__in=jobs.UNFINISHED).exists():
                    requesting.request(self.course, kind)
            time.sleep(LOOK_SECONDS)
        connections.close_all()

    def _jobs(self, **fields):
        from learning.models import StudyArtefact

        return StudyArtefact.objects.filter(course=self.course, **fields)


def measure(quick: bool) -> list[Row]:
    rounds, count = (3, 20) if quick else (5, 60)
    rows = []
    with on_core(1), serving("bench.model_server") as model:
        for way in WAYS:
            variables = streaming_site.environment(model_url=model)
            with (
                Server(variables) as server,
                Worker("bench.generating:Staff", environment=variables) as staff,
                _task_worker(variables, has_key=way == "key"),
                server.students("bench.first_token:Askers") as askers,
            ):
                askers.call("begin")
                alone, beside, chapters = [], [], 0
                for _ in tqdm(range(rounds), desc=WAYS[way], leave=False):
                    alone.append(askers.call("alone", count=count))
                    staff.call("begin")
                    beside.append(askers.call("alone", count=count))
                    chapters += staff.call("end")
            rows += _rows(WAYS[way], alone, beside, chapters)
    return rows


@contextmanager
def _task_worker(variables: dict[str, str], *, has_key: bool) -> Iterator[None]:
    own = {} if has_key else {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, streaming_site.CORES)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "worker"], cwd=ROOT, env={**os.environ, **variables, **own}
    )
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _rows(
    words: str, alone: list[list[float]], beside: list[list[float]], chapters: int
) -> Iterator[Row]:
    whole_alone, whole_beside = list(chain(*alone)), list(chain(*beside))
    for share in (0.5, 0.95):
        ours, peers = ([percentile(block, share) for block in of] for of in (beside, alone))
        yield {
            "what": f"{words}, p{share * 100:.0f}, {chapters} chapters gone through meanwhile",
            "value": percentile(whole_beside, share),
            "unit": f"ms (worst {max(whole_beside):.0f})",
            "peer": f"without generating: {percentile(whole_alone, share):.1f} "
            f"(worst {max(whole_alone):.0f}); {spread(ours, peers)}",
            "ratio": paired_ratio(ours, peers),
            "limit": "≤ 1.10 ×",
        }
