"""manage.py evaluate_search: read labelled sets, call `rag.evaluation`, show what it found."""

import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from rag.errors import RetrievalError
from rag.evaluation import table
from rag.evaluation.evaluation import Evaluation, evaluate
from rag.evaluation.indexed_set import collection_of, indexed_sets
from rag.evaluation.labelled_set import LabelledSet, LabelledSetError, read_labelled_set
from rag.evaluation.progress import Progress
from rag.evaluation.runs import STAGES, write_run
from rag.indexing import forget

FAILURES_SHOWN = 5


class Command(BaseCommand):
    help = (
        "Measure the search on labelled sets. Each set gets an index of its own; no course is "
        'touched. A set is a folder: corpus.jsonl has {"id", "doc", "title", "text"} a line, '
        'queries.jsonl {"id", "text"}, qrels.tsv a header and then question id, passage id and '
        'score (1) between tabs, meta.json {"level": "passage", "use_title": true}.'
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("sets", metavar="SET", nargs="*", type=Path)
        parser.add_argument(
            "--run", metavar="OUT.jsonl", type=Path, help="write the ranking of each question"
        )
        parser.add_argument(
            "--stage",
            choices=STAGES,
            default="final",
            help="whose ranking is written, and compared with the others (default: final)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a set")
        parser.add_argument(
            "--forget",
            action="store_true",
            help="remove the index of these sets, or without a SET all of them; evaluate nothing",
        )

    def handle(self, *, sets, run, stage, json: bool, forget: bool, **options) -> None:
        if forget:
            self._forget(sets)
            return
        if not sets:
            raise CommandError("Name the folder of a labelled set.")
        if run is not None:
            _check_run(run, sets)
        try:
            for labelled in [read_labelled_set(folder) for folder in sets]:
                evaluation = self._evaluate(labelled, stage)
                if run is not None:
                    _write(run, evaluation, stage)
                self._show(evaluation, stage, as_json=json)
        except (LabelledSetError, RetrievalError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. What was indexed is kept.", returncode=130) from None

    def _evaluate(self, labelled: LabelledSet, stage: str) -> Evaluation:
        with Progress("passages") as indexing, Progress("questions") as asking:
            evaluation = evaluate(labelled, indexing=indexing, asking=asking, stage=stage)
        failures = evaluation.report.failures
        for failure in failures[:FAILURES_SHOWN]:
            self.stderr.write(self.style.WARNING(f"not indexed, so never found: {failure}"))
        if len(failures) > FAILURES_SHOWN:
            more = len(failures) - FAILURES_SHOWN
            self.stderr.write(self.style.WARNING(f"… and {more} passages more."))
        return evaluation

    def _show(self, evaluation: Evaluation, stage: str, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(evaluation.as_dict(stage)))
            return
        for line in table.lines(evaluation, stage):
            self.stdout.write(line)
        self.stdout.write(
            f"The index stays as {evaluation.collection}, for the next time. To remove it: "
            f"manage.py evaluate_search {evaluation.labelled.folder} --forget\n"
        )

    def _forget(self, sets: list[Path]) -> None:
        kept = indexed_sets()
        for collection in [collection_of(folder) for folder in sets] or kept:
            if collection in kept:
                forget(collection)
                self.stdout.write(self.style.SUCCESS(f"removed {collection}"))
            else:
                self.stdout.write(f"there is no {collection}")
        if not sets and not kept:
            self.stdout.write("There is no index of a labelled set.")


def _check_run(run: Path, sets: list[Path]) -> None:
    """Find out before minutes of work whether the run can be written."""
    if len(sets) > 1:
        raise CommandError("--run takes the ranking of one set; name one SET.")
    if run.is_dir() or not run.parent.is_dir():
        problem = "is a folder" if run.is_dir() else "lies in no folder that exists"
        raise CommandError(f"--run takes a file; {run} {problem}.")


def _write(run: Path, evaluation: Evaluation, stage: str) -> None:
    try:
        write_run(run, evaluation.answers, stage)
    except OSError as error:
        raise CommandError(f"{run} cannot be written: {error.strerror}.") from error
