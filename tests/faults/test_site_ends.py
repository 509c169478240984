"""A site that is told to end, or is killed, while it answers and while it sends.

Every trace of it, whole ones and broken-off ones, arrives after its next start, and once.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from tests.faults.copies import assert_all_in_langfuse, assert_unharmed
from tests.faults.site import (
    Langfuse,
    Site,
    Turn,
    Tutor,
    eventually,
    hurried_site,
    rows,
    words_for,
)
from tests.faults.students import begin_answer
from tests.servers.openai_script import WAIT

BEGUN = 3  # answers
QUESTION = "Why are there tides at all?"
FIRST_WORDS = "The moon pulls "


class Killer:
    """Ends a process, without a word, when Langfuse has stored the next event."""

    victim: int | None = None

    def __call__(self, event: dict) -> None:
        if self.victim is not None:
            os.kill(self.victim, signal.SIGKILL)
            self.victim = None


@contextmanager
def site_to_be_killed(data: Path, openai: Tutor, langfuse: Langfuse) -> Iterator[Site]:
    try:
        with hurried_site(data, openai, langfuse) as site:
            yield site
    except AssertionError as error:
        # `serve` may notice that its server is gone before the test tells it to end.
        if "good order" not in str(error) or error.__context__ is not None:
            raise


def begin_answers(site: Site) -> None:
    """Let three students read the first words of an answer, of which there is no end."""
    students = site.students[:BEGUN]
    conversations = [student.opens_conversation("tides") for student in students]
    for _ in students:
        site.openai.answers(FIRST_WORDS, WAIT)

    async def begin() -> None:
        async with AsyncExitStack() as tabs:
            for student, conversation in zip(students, conversations, strict=True):
                await begin_answer(student, conversation, QUESTION, tabs)

    asyncio.run(begin())


def begun_answers(data: Path) -> list[tuple[str, str, str, str]]:
    """Text and status of each begun answer, and the id and status of its trace."""
    return rows(
        data,
        "SELECT answer.text, answer.status, trace.id, trace.status FROM learning_message answer "
        "JOIN learning_message asked ON answer.reply_to_id = asked.id "
        "JOIN tracing_tracerecord trace ON answer.trace_id = trace.id WHERE asked.text = ?",
        QUESTION,
    )


def saved(data: Path) -> list[tuple[str, str]]:
    return [(text, status) for text, status, _, _ in begun_answers(data)]


def arrived(site: Site, turns: list[Turn]) -> list[dict]:
    """Wait until everything is in Langfuse; return the copies of the traces of begun answers."""
    eventually(lambda: site.export_states(turns) == {"confirmed": len(turns)})
    assert_all_in_langfuse(site, turns)
    return [
        eventually(lambda id=trace_id: site.langfuse.traces.get(id))
        for _, _, trace_id, _ in begun_answers(site.data)
    ]


def assert_marked_interrupted(data: Path, copies: list[dict]) -> None:
    assert saved(data) == [(FIRST_WORDS, "interrupted")] * BEGUN
    assert [status for *_, status in begun_answers(data)] == ["interrupted"] * BEGUN
    assert [copy["input"]["user_message"] for copy in copies] == [QUESTION] * BEGUN
    assert [copy["metadata"]["status"] for copy in copies] == ["interrupted"] * BEGUN


def test_a_site_that_ends_while_langfuse_hangs_sends_everything_after_its_next_start(data, openai):
    with Langfuse() as langfuse:
        langfuse.hangs()
        with hurried_site(data, openai, langfuse) as site:
            turns = site.turns("before the end", each=1)
            assert_unharmed(turns, words_for)
            begin_answers(site)
        # It ended in good order: `serve` got what Ctrl-C sends, and Daphne a SIGTERM from it.
        assert saved(data) == [(FIRST_WORDS, "interrupted")] * BEGUN
        assert site.export_states(turns)["confirmed"] == 0
        langfuse.recovers()

        with hurried_site(data, openai, langfuse) as site:
            copies = arrived(site, turns)
        assert_marked_interrupted(data, copies)
        assert [copy["output"]["response"] for copy in copies] == [FIRST_WORDS] * BEGUN


def test_what_a_killed_site_was_sending_and_saying_arrives_after_its_next_start(data, openai):
    killer = Killer()
    with Langfuse(on_event=killer) as langfuse:
        langfuse.hangs()
        with site_to_be_killed(data, openai, langfuse) as site:
            turns = site.turns("before the kill", each=1)
            assert_unharmed(turns, words_for)
            begin_answers(site)
            eventually(lambda: saved(data) == [(FIRST_WORDS, "running")] * BEGUN)
            killer.victim = site.pid
            langfuse.recovers()
            eventually(lambda: killer.victim is None)
        # Langfuse has the first event of a batch; nobody was left to hear that it has.
        assert len(langfuse.traces) + len(langfuse.observations) > 0
        assert site.export_states(turns)["sent"] > 0
        assert site.export_states(turns)["confirmed"] == 0
        # As if the next start came later: an answer is believed alive for twenty seconds.
        rows(data, "UPDATE learning_message SET saved_at = '2026-01-01 00:00:00'")

        with hurried_site(data, openai, langfuse) as site:
            copies = arrived(site, turns)
        assert_marked_interrupted(data, copies)
