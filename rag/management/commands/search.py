"""manage.py search: what the tutor would read for a question, and how it was found."""

import json
from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError

from rag.errors import RetrievalError
from rag.search import RetrievedChunk, search_sync
from rag.sources import get_source


class Command(BaseCommand):
    help = "Show the passages that the tutor would read for a question."

    def add_arguments(self, parser) -> None:
        parser.add_argument("question")
        parser.add_argument("--course", metavar="SLUG", required=True)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, question, course, json: bool, **options) -> None:
        source = get_source()
        known = source.collections()
        if course not in known:
            raise CommandError(
                f"There is no course “{course}”. Known: {', '.join(sorted(known)) or 'none yet'}."
            )
        try:
            result = search_sync(question, collection=course, keys=source.public_keys(course))
        except RetrievalError as error:
            raise CommandError(str(error)) from error
        if json:
            self.stdout.write(_as_json(question, course, result))
            return
        for place, passage in enumerate(result, start=1):
            self.stdout.write(self.style.SUCCESS(_heading(place, passage)))
            self.stdout.write(f"{passage.text}\n")
        if result.is_weak:
            self.stdout.write(self.style.WARNING("The course does not seem to cover this."))


def _heading(place: int, passage: RetrievedChunk) -> str:
    positions = (
        ("lexical", passage.lexical_position),
        ("dense", passage.dense_position),
        ("fused", passage.fused_position),
        ("rerank", passage.rerank_position),
    )
    shown = " · ".join(f"{name} {position or '–'}" for name, position in positions)
    return f"[{place}] {' › '.join(passage.heading_path)}  ({passage.score:.2f}: {shown})"


def _as_json(question: str, course: str, result) -> str:
    return json.dumps(
        {
            "question": question,
            "course": course,
            "weak": result.is_weak,
            "passages": [asdict(passage) for passage in result],
        },
        ensure_ascii=False,
        indent=2,
    )
