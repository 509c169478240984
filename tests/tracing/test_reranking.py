"""What became of the candidates of a search: from where they stood to whether they were cited."""

import re
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from tracing.models import ObservationRecord, TraceRecord
from tracing.reranking import FEWEST_FOLDED, FIRST_SHOWN, reranking

BEGAN = timezone.now()


def candidate(key, title="", **positions):
    return {"id": key, "title": title or f"Chapter {key}", "score": 0.02, **positions}


def result(key, before, after, score=0.9, **more):
    return {
        "id": key, "position_before": before, "position_after": after,
        "score_before": 0.02, "score_after": score, "kept": False, **more,
    }  # fmt: skip


def step(candidates, results, **metadata):
    return ObservationRecord(
        id="rerank", name="rerank", kind="SPAN", position=0, started_at=BEGAN, duration_ms=9.0,
        input={"query": "why?", "candidates": candidates}, output={"results": results},
        metadata=metadata,
    )  # fmt: skip


def many(count, *, kept):
    """So many candidates, of which the places in `kept` were kept."""
    places = range(1, count + 1)
    return step([candidate(n) for n in places], [result(n, n, n, kept=n in kept) for n in places])


THREE = step(
    [
        candidate(7, "Limits › One side", lexical_position=1, dense_position=4),
        candidate(8, "Roots", lexical_position=2),
        candidate(9, "Series", dense_position=1),
    ],
    [result(9, 3, 2, 0.5), result(7, 1, 3, dropped="near copy"), result(8, 2, 1, kept=True)],
)


@pytest.fixture
def show(client, staff):
    """The words of the page of a trace with this step, a line for each row of the table."""
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")

    def render(row, **metadata):
        TraceRecord.objects.all().delete()
        row.trace = TraceRecord.objects.create(
            id="t", name="ai_chat", started_at=BEGAN, duration_ms=20.0, metadata=metadata
        )
        row.save(force_insert=True)
        response = client.get(reverse("admin:tracing_tracerecord_change", args=["t"]))
        assert response.status_code == 200
        rows = re.sub(r"<[^>]*>", " ", response.content.decode().replace("</tr>", "\0")).split("\0")
        return [" ".join(unescape(row).split()) for row in rows]

    return render


def line_of(shown, title):
    [line] = [line for line in shown if re.search(rf"{re.escape(title)} #\d", line)]
    return line


def test_the_candidates_stand_in_their_final_order_with_where_they_came_from():
    found = reranking(THREE)

    assert [line.title for line in found.lines] == ["Roots", "Series", "Limits › One side"]
    assert [line.rise for line in found.lines] == [1, 1, -2]
    last = found.lines[-1]
    assert (last.lexical_position, last.dense_position) == (1, 4)
    assert (last.position_before, last.position_after) == (1, 3)
    assert (last.is_kept, last.dropped_because) == (False, "near copy")


def test_what_the_answer_cites_is_told_from_what_the_model_was_only_given():
    given = [{"n": 1, "id": 8}, {"n": 2, "id": 9}]
    found = reranking(THREE, {"given": given, "cited": given[1:]})

    assert [(line.mark, line.is_cited) for line in found.lines] == [
        (1, False), (2, True), (None, False),
    ]  # fmt: skip
    assert (found.kept, found.given, found.cited) == (1, 2, 1)


def test_a_search_without_an_answer_has_kept_and_dropped_alone(show):
    shown = "\n".join(show(THREE))

    assert "3 candidates · 1 kept" in shown
    assert "given" not in shown and "cited" not in shown
    assert line_of(show(THREE), "Series").endswith("dropped")


def test_the_page_says_of_each_candidate_what_became_of_it(show):
    given = [{"n": 1, "id": 8}, {"n": 2, "id": 9}]
    shown = show(THREE, given=given, cited=given[1:])

    assert "3 candidates · 1 kept · 2 given to the model · 1 cited" in "\n".join(shown)
    assert line_of(shown, "Roots").endswith("given [1]")
    assert line_of(shown, "Series").endswith("#9 – 1 3 2 ▲1 up by 1 0.020 0.500 cited [2]")
    assert line_of(shown, "Limits › One side").endswith("near copy")
    assert "▼2 down by 2" in line_of(shown, "Limits › One side")


@pytest.mark.parametrize(
    ("count", "kept", "first", "folded"),
    [
        (FIRST_SHOWN + FEWEST_FOLDED, [1], FIRST_SHOWN, FEWEST_FOLDED),
        (FIRST_SHOWN + FEWEST_FOLDED - 1, [1], FIRST_SHOWN + FEWEST_FOLDED - 1, 0),
        (100, [1, 2, 30], 30, 70),
        (100, [100], 100, 0),
        (3, [], 3, 0),
    ],
)
def test_a_long_tail_of_dropped_candidates_is_folded_and_nothing_kept_is(
    count, kept, first, folded
):
    assert [len(part) for part in reranking(many(count, kept=kept)).parts] == [first, folded]


def test_the_folded_candidates_are_on_the_page(show):
    shown = "\n".join(show(many(100, kept=[1, 2])))
    assert "Show 90 more" in shown
    assert "Chapter 100 #100" in shown
    assert "Show" not in "\n".join(show(many(FIRST_SHOWN, kept=[1])))


def test_a_reranker_that_changes_nothing_is_told_from_one_that_agrees(show):
    asked = [candidate(1), candidate(2)]
    nothing = step(asked, [result(1, 1, 1, 0.02), result(2, 2, 2, 0.0201)])
    agrees = step(asked, [result(1, 1, 1, 0.97), result(2, 2, 2, 0.31)])

    assert reranking(nothing).is_idle
    assert not reranking(agrees).is_idle
    assert "The reranker changed nothing" in "\n".join(show(nothing))
    assert "reranked" not in "\n".join(show(nothing))
    assert "0.970" in "\n".join(show(agrees))


def test_a_reranker_that_gave_up_is_not_said_to_be_missing(show):
    row = step([candidate(1)], [result(1, 1, 1, 0.02, kept=True)], gave_up=True)
    row.status, row.status_message = "warning", "The fused order stands: not done after 0.3 seconds"
    shown = "\n".join(show(row))

    assert "The fused order stands: not done after 0.3 seconds" in shown
    assert "was not done in time, or failed" in shown
    assert "The reranker changed nothing" not in shown


def test_a_title_with_markup_and_a_reason_of_any_kind_show_as_text(show):
    row = step(
        [candidate(1, "<script>x"), candidate(2)],
        [result(1, 1, 1), result(2, 2, 2, dropped="too <b>old</b>")],
    )
    shown = show(row)
    assert line_of(shown, "<script>x")
    assert line_of(shown, "Chapter 2").endswith("too <b>old</b>")


@pytest.mark.parametrize(
    ("candidates", "found"),
    [
        (None, None), ("cut", []), ([1, {"id": [1]}], [2, {"id": {}}]), ([{}], [{}]), ([], []),
        ([{"id": 1, "title": 5}], [{"id": 1, "position_after": "1", "score_after": "inf"}]),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "marks", [None, "[removed]", 5, [1, {}, {"n": "1", "id": 1}, {"n": 1}], [{"n": 1, "id": {}}]]
)
def test_other_shapes_do_not_break_the_page(show, candidates, found, marks):
    show(step(candidates, found), given=marks, cited=marks)
    assert reranking(step(candidates, found), "[removed]") is None or candidates
