"""Whether what was asked, answered and counted is in Langfuse: all of it, and once."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from tests.faults.site import Site, Turn

STEPS = ["embedding", "llm_call", "rerank", "retrieve"]


def assert_unharmed(turns: Sequence[Turn], expected_text) -> None:
    """Every answer came whole to the tab and to the database, and nothing else came."""
    for turn in turns:
        assert turn.heard.troubles == []
        assert (turn.heard.status, turn.status) == ("complete", "complete")
        assert turn.heard.text == turn.text == expected_text(turn.question)


def assert_all_in_langfuse(site: Site, turns: Sequence[Turn]) -> None:
    """Every trace of these turns is there with everything that belongs to it, and no other."""
    conversations = {turn.conversation for turn in turns}
    traces = [t for t in site.langfuse.traces.values() if t.get("sessionId") in conversations]
    assert Counter(t["id"] for t in traces) == Counter(turn.trace_id for turn in turns)
    steps = defaultdict(list)
    for step in site.langfuse.observations.values():
        steps[step["traceId"]].append(step)
    for turn in turns:
        _assert_whole(site, turn, steps[turn.trace_id])


def _assert_whole(site: Site, turn: Turn, steps: list[dict]) -> None:
    copy = site.langfuse.traces[turn.trace_id]
    assert copy["input"]["user_message"] == turn.question
    assert copy["output"]["response"] == turn.text
    assert copy["sessionId"] == turn.conversation
    assert sorted(step["name"] for step in steps) == STEPS
    kept = site.rows("SELECT id FROM tracing_observationrecord WHERE trace_id = ?", turn.trace_id)
    assert {step["id"] for step in steps} == {id for (id,) in kept}
    [call] = [step for step in steps if step["name"] == "llm_call"]
    counted = site.openai.asked[turn.question].usage
    assert call["output"] == turn.text
    assert call["usage"]["input"] == counted["prompt_tokens"]
    assert call["usage"]["output"] == counted["completion_tokens"]
