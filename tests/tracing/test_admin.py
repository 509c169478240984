"""Staff find a trace and read it whole: few queries, no network, nothing unescaped."""

import socket
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from tracing.models import ExportState, ObservationRecord, Outcome, ScoreRecord, TraceRecord
from tracing.trace_filters import distinct_values

LIST = reverse("admin:tracing_tracerecord_changelist")
NOW = timezone.now()


def page(trace_id="t-0"):
    return reverse("admin:tracing_tracerecord_change", args=[trace_id])


def make(number=0, *, steps=0, **fields):
    trace = TraceRecord.objects.create(
        id=f"t-{number}",
        started_at=NOW - timedelta(minutes=number),
        ended_at=NOW,
        duration_ms=1_320.0,
        **{"name": "ai_chat", "status": Outcome.OK} | fields,
    )
    ObservationRecord.objects.bulk_create(
        ObservationRecord(
            id=f"{trace.id}-{place}",
            trace=trace,
            position=place,
            kind="SPAN",
            name=f"step-{place}",
            parent_id=f"{trace.id}-{place - 1}" if place else "",
            started_at=trace.started_at,
            duration_ms=5.0,
            input={"query": "why?"},
        )
        for place in range(steps)
    )
    return trace


def judge(trace_id, *, name="user_feedback", **fields):
    return ScoreRecord.objects.create(
        id=f"{trace_id}-{name}", trace_id=trace_id, name=name, updated_at=NOW, **fields
    )


def listed(client, **query):
    """The ids of the traces that a list shows, in its order."""
    response = client.get(LIST, query)
    assert response.status_code == 200
    return [trace.pk for trace in response.context["cl"].result_list]


@pytest.fixture
def admin(client, staff):
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def assistant(client, bob):
    """Staff with no permission but those a test gives."""
    bob.is_staff = True
    bob.save()
    client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")

    def may(*codenames):
        bob.user_permissions.set(Permission.objects.filter(codename__in=codenames))

    client.may = may
    return client


def queries(client, url):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def text(response):
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_shows_what_tells_trouble(admin, tracing_settings):
    tracing_settings(GROUP_TAG="course", GROUP_LABEL="course")
    make(1, status=Outcome.ERROR, model="gpt-4o-mini", total_tokens=2325, first_token_ms=640.0,
         user_id="u_0123456789abcdef", usage_is_estimate=True, cost="0.0123", group="calculus",
         error_type="RateLimited")  # fmt: skip
    judge("t-1", value=0)
    judge("t-1", name="faithful", value=0.25)
    shown = text(admin.get(LIST))

    for words in (
        "ai_chat", "error", "gpt-4o-mini", "≈2,325", "640 ms", "1.32 s", "u_012345…", "$0.0123",
        "Course", "calculus", "RateLimited", "▼ down", "faithful 0.25",
    ):  # fmt: skip
        assert words in shown, words


def test_without_a_grouping_tag_there_is_no_column_for_it(admin):
    make(1, group="calculus")
    shown = text(admin.get(LIST))

    assert "column-group_name" not in shown
    assert "group__exact" not in shown
    assert "calculus" not in shown


@pytest.mark.parametrize("query", ["", "?thumb=up", "?q=u&status__exact=ok", "?o=-8"])
def test_the_list_takes_as_many_queries_for_many_as_for_one(admin, query):
    make(0, user_id="u")
    judge("t-0", value=1)
    queries(admin, LIST + query)  # warms what is cached
    one = queries(admin, LIST + query)
    for number in range(1, 60):
        make(number, steps=2, name=f"name-{number}", model=f"model-{number}", user_id="u")
        judge(f"t-{number}", value=1)

    assert queries(admin, LIST + query) == one <= 14


def test_the_list_does_not_read_content(admin):
    make(0, input={"user_message": "long"})
    with CaptureQueriesContext(connection) as captured:
        admin.get(LIST)

    selects = [q["sql"] for q in captured if '"tracing_tracerecord"."started_at"' in q["sql"]]
    assert selects
    assert not any('"tracing_tracerecord"."input"' in sql for sql in selects)


@pytest.mark.parametrize("field", ["id", "user_id", "session_id", "request_id"])
def test_a_trace_is_found_by_a_whole_id(admin, field):
    make(1)
    wanted = make(2, name="wanted", user_id="u-2", session_id="s-2", request_id="r-2")

    assert listed(admin, q=getattr(wanted, field)) == ["t-2"]
    assert listed(admin, q=f" {getattr(wanted, field)} ") == ["t-2"]
    assert listed(admin, q=getattr(wanted, field)[:-1]) == []
    assert listed(admin, q=getattr(wanted, field).upper()) == []


@pytest.mark.parametrize("term", ["two words", "微积分", "x" * 10_000, "' OR 1=1 --", "%"])
def test_any_words_may_be_searched_for(admin, term):
    make(1)
    assert listed(admin, q=term) == []


@pytest.mark.parametrize("query", ["q=a%00b", "name__exact=a%00b", "when=a%00b", "from=%00", "p=x"])
def test_a_nul_byte_breaks_no_page(admin, query):
    make(1)
    admin.raise_request_exception = False
    for address in (f"{LIST}?{query}", f"{page('t-1')}?{query}", page("a%00b")):
        assert admin.get(address).status_code in (200, 302, 400, 404)


FILTERS = [
    ("status__exact", "error"), ("name__exact", "wanted"), ("model__exact", "glm-4"),
    ("group__exact", "calculus"), ("export_state__exact", "rejected"),
    ("error_type__exact", "RateLimited"), ("when", "today"), ("when", "hour"), ("when", "week"),
    ("when", "month"), ("thumb", "down"), ("thumb", "any"), ("warned", "rerank"), ("warned", "*"),
]  # fmt: skip


@pytest.mark.parametrize(("parameter", "value"), FILTERS)
def test_each_filter_finds_what_it_says_and_is_offered(admin, tracing_settings, parameter, value):
    tracing_settings(GROUP_TAG="course", GROUP_LABEL="course")
    make(0, name="wanted", status=Outcome.ERROR, model="glm-4", group="calculus",
         error_type="RateLimited", export_state=ExportState.REJECTED)  # fmt: skip
    judge("t-0", value=0)
    warned(TraceRecord.objects.get(pk="t-0"))
    TraceRecord.objects.create(
        id="old", name="other", status=Outcome.OK, started_at=NOW - timedelta(days=99)
    )
    judge("old", value=1, name="faithful")

    assert listed(admin, **{parameter: value}) == ["t-0"]
    assert urlencode({parameter: value}) in text(admin.get(LIST))
    assert "old" in listed(admin)


def test_thumbs_up_and_down_are_told_apart_and_one_taken_back_is_none(admin):
    for number, value in enumerate([1, 0, None]):
        make(number)
        judge(f"t-{number}", value=value)

    assert listed(admin, thumb="up") == ["t-0"]
    assert listed(admin, thumb="down") == ["t-1"]
    assert listed(admin, thumb="any") == ["t-0", "t-1"]


def test_one_day_is_listed_and_leads_to_the_days_beside_it(admin):
    for day in (10, 11, 12):
        TraceRecord.objects.create(
            id=f"d{day}", name="x", started_at=f"2026-03-{day}T23:59:59.999+00:00"
        )

    assert listed(admin, when="2026-03-11") == ["d11"]
    shown = text(admin.get(LIST, {"when": "2026-03-11"}))
    assert "when=2026-03-10" in shown
    assert "when=2026-03-12" in shown


def test_a_link_may_give_the_bounds_of_the_time(admin):
    for day in (10, 11, 12):
        TraceRecord.objects.create(id=f"d{day}", name="x", started_at=f"2026-03-{day}T12:00+00:00")
    bounds = {
        "started_at__gte": "2026-03-11T00:00:00+00:00",
        "started_at__lt": "2026-03-12T00:00+00:00",
    }
    shown = text(admin.get(LIST, {"name__exact": "x", **bounds}))

    assert listed(admin, **bounds) == ["d11"]
    assert "2026-03-11 00:00" in shown
    assert 'href="?name__exact=x&amp;when=today"' in shown  # takes its place


@pytest.mark.parametrize(
    "query", [{"when": "x"}, {"when": "9999-12-31"}, {"thumb": "x"}, {"started_at__gte": "x"}]
)
def test_a_filter_that_is_none_leads_back_to_the_list(admin, query):
    make(0)
    assert admin.get(LIST, query).status_code == 302


def test_a_filter_stays_when_nothing_has_its_value(admin):
    make(0)
    assert listed(admin, error_type__exact="Gone") == []


def test_the_values_of_a_filter_are_found_step_by_step_in_the_index(db):
    for number, name in enumerate(["b", "a", "b", "微", "", "a"]):
        make(number, name=name)
    with CaptureQueriesContext(connection) as captured:
        assert distinct_values(TraceRecord, "name") == ["a", "b", "微"]

    [asked] = captured
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {asked['sql']}")
        plan = [row[-1] for row in cursor.fetchall() if "tracing_tracerecord" in row[-1]]
    assert plan
    assert all("SEARCH" in step and "trace_by_name" in step for step in plan)


@pytest.mark.parametrize("query", [{}, *[dict([pair]) for pair in FILTERS], {"q": "u-1"}])
def test_each_list_is_served_by_an_index(admin, tracing_settings, query):
    tracing_settings(GROUP_TAG="course", GROUP_LABEL="course")
    make(1, user_id="u-1")
    with CaptureQueriesContext(connection) as captured:
        listed(admin, **query)
    asked = [q["sql"] for q in captured if q["sql"].startswith("SELECT") and "tracing_" in q["sql"]]

    assert len(asked) >= 2
    for sql in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " / ".join(row[-1] for row in cursor.fetchall())
        assert "INDEX" in plan, (sql, plan)
        # The judged, the warned, and the scores of one page are few and may be sorted.
        may_sort = "thumb" in query or "warned" in query or '"tracing_scorerecord"."id"' in sql
        assert may_sort or "USE TEMP B-TREE FOR ORDER BY" not in plan, (sql, plan)


def test_the_list_counts_and_sorts_no_more_than_the_newest(admin, monkeypatch):
    monkeypatch.setattr("tracing.trace_list.MOST_LISTED", 3)
    for number in range(6):  # the oldest are the slowest
        make(number)
        TraceRecord.objects.filter(pk=f"t-{number}").update(duration_ms=number)
    shown = admin.get(LIST)

    assert shown.context["cl"].result_count == 3
    assert "More than 3 match" in text(shown)
    assert "More than" not in text(admin.get(LIST, {"q": "t-1"}))
    assert listed(admin, o="-8")[:3] == ["t-2", "t-1", "t-0"]
    assert "More than 3 match" in text(admin.get(LIST, {"o": "-8"}))


def test_what_has_no_duration_is_not_the_slowest(admin):
    make(0)
    make(1)
    TraceRecord.objects.filter(pk="t-0").update(duration_ms=None)

    assert listed(admin, o="-8") == ["t-1", "t-0"]


@pytest.mark.parametrize("query", ["_facets=True", "all=", "p=0", "p=99999", "o=99.-1.x", "e=1"])
def test_no_parameter_breaks_the_list_or_counts_everything(admin, query):
    make(0)
    with CaptureQueriesContext(connection) as captured:
        assert admin.get(f"{LIST}?{query}").status_code in (200, 302)

    counts = [q["sql"] for q in captured if "COUNT(" in q["sql"]]
    assert all("LIMIT 5001" in sql for sql in counts)


def test_the_page_shows_the_trace_whole(admin, tracing_settings):
    tracing_settings(LANGFUSE_PUBLIC_URL="https://traces.example.org", SESSION_URL=None)
    trace = make(steps=2, input={"user_message": "What is a limit?"}, tags=["assistant"],
                 output={"response": "A limit is"}, metadata={"status": "ok"},
                 input_tokens=1941, output_tokens=384, total_tokens=2325)  # fmt: skip
    ObservationRecord.objects.filter(pk="t-0-1").update(
        kind="GENERATION", name="llm_call", model="gpt-4o-mini", first_token_ms=2.0,
        input=[{"role": "system", "content": "Cite."}, {"role": "user", "content": "Why?"}],
    )  # fmt: skip
    ScoreRecord.objects.create(
        id="s", trace_id=trace.id, name="user_feedback", value=0, comment="wrong", updated_at=NOW
    )
    shown = text(admin.get(page()))

    for words in (
        "What is a limit?", "A limit is", "assistant", "2325", "1941 → 384", "step-0", "llm_call",
        "gpt-4o-mini", "<summary>system</summary>", "Cite.", "trace-first-token", "user_feedback",
        "wrong", "https://traces.example.org/trace/t-0",
    ):  # fmt: skip
        assert words in shown, words


def test_the_page_takes_as_many_queries_for_many_steps_as_for_one(admin):
    make(0, steps=1, session_id="s")
    make(1, steps=60, session_id="s")
    queries(admin, page("t-0"))

    assert queries(admin, page("t-1")) == queries(admin, page("t-0")) <= 8


def test_a_trace_of_many_steps_is_leafed_through(admin):
    make(steps=305)
    first, second = text(admin.get(page())), text(admin.get(page(), {"from": 301}))

    assert "Steps 1 to 300 of 305" in first
    assert "?from=301" in first
    assert ">step-299</a>" in first
    assert ">step-300</a>" not in first
    assert "Steps 301 to 305 of 305" in second
    assert "?from=1" in second
    assert ">step-304</a>" in second
    assert admin.get(page(), {"from": "x"}).status_code == 404
    assert admin.get(page(), {"from": "-5"}).status_code == 200
    assert admin.get(page(), {"from": "9" * 30}).status_code == 200


def test_the_page_leads_to_the_traces_beside_it_and_to_the_conversation(admin, tracing_settings):
    tracing_settings(SESSION_URL="tests.tracing.test_admin.conversation")
    for number in range(3):
        make(number, session_id="s")
    shown = text(admin.get(page("t-1")))

    assert f'rel="prev" href="{page("t-2")}"' in shown
    assert f'rel="next" href="{page("t-0")}"' in shown
    assert "/conversations/s/" in shown


def conversation(session_id, user):
    return f"/conversations/{session_id}/"


def warned(trace, step="rerank", words="The fused order stands", *, at=NOW):
    return ObservationRecord.objects.create(
        id=f"{trace.pk}-warned-{trace.observations.count()}", trace=trace, position=0, kind="SPAN",
        name=step, status=Outcome.WARNING, status_message=words, started_at=at, duration_ms=1.0,
    )  # fmt: skip


def test_a_step_that_warns_says_so_on_the_page(admin):
    warned(make())
    shown = text(admin.get(page()))

    assert '<span class="trace-status trace-warning">warning</span>' in shown
    assert "The fused order stands" in shown


def test_who_may_not_read_content_sees_that_a_step_warned_and_not_why(assistant):
    assistant.may("view_tracerecord")
    warned(make())
    shown = text(assistant.get(page()))

    assert "This step ended with a warning." in shown
    assert "The fused order stands" not in shown


def test_traces_are_found_by_the_step_that_warned(admin):
    warned(make(0), "rerank")
    warned(make(1), "embedding")
    make(2, steps=1)

    assert listed(admin, warned="rerank") == ["t-0"]
    assert listed(admin, warned="*") == ["t-0", "t-1"]
    assert listed(admin, warned="gone") == []
    shown = text(admin.get(LIST))
    assert "?warned=embedding" in shown and "?warned=rerank" in shown
    assert "step-0" not in shown


def test_the_page_shows_costs_and_what_the_words_mean(admin):
    trace = make(steps=1, cost="0.0123", error_type="RateLimited", status=Outcome.ERROR)
    trace.observations.update(cost="0.01", input_cost="0.004", output_cost="0.006",
                              error_type="ReadTimeout")  # fmt: skip
    shown = text(admin.get(page()))

    for words in ("$0.0123", "$0.0100", "$0.0040 + $0.0060", "RateLimited", "ReadTimeout",
                  "here the first word came back"):  # fmt: skip
        assert words in shown, words


def test_the_page_and_the_list_ask_no_network(admin, tracing_settings, monkeypatch):
    tracing_settings(LANGFUSE_HOST="http://langfuse.invalid:3000", LANGFUSE_PUBLIC_KEY="pk",
                     LANGFUSE_SECRET_KEY="sk", SESSION_URL=None)  # fmt: skip
    make(steps=2, export_state=ExportState.CONFIRMED)

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert "http://langfuse.invalid:3000/trace/t-0" in text(admin.get(page()))
    assert "http://langfuse.invalid:3000/trace/t-0" in text(admin.get(LIST))


@pytest.mark.parametrize("place", ["name", "user_id", "session_id", "model", "status_message"])
def test_a_text_with_markup_shows_as_text(admin, place, tracing_settings):
    tracing_settings(SESSION_URL=None)
    make(**{place: "<script>x</script>"})

    for url in (LIST, page()):
        assert "<script>x" not in text(admin.get(url))


@pytest.mark.parametrize(
    "content",
    [
        "<script>x</script>",
        {"<script>x</script>": "<script>x</script>"},
        ["<script>x</script>"],
        [{"role": "<script>x</script>", "content": "<script>x</script>"}],
        {"long": "<script>x</script>" * 100},
    ],
)
def test_content_with_markup_shows_as_text(admin, content):
    trace = make(steps=1, input=content, output=content, metadata=content, tags=[str(content)])
    trace.observations.update(
        name="<script>x</script>", input=content, output=content, status_message=str(content)
    )
    ScoreRecord.objects.create(id="s", trace_id="t-0", name="<script>x", updated_at=NOW, value=1)
    shown = text(admin.get(page()))

    assert "<script>x" not in shown
    assert "&lt;script&gt;x" in shown


def test_a_trace_is_read_and_never_changed_added_or_deleted(admin):
    make()
    judge("t-0", value=1)
    for model, key in (("tracerecord", "t-0"), ("scorerecord", "t-0-user_feedback")):
        assert admin.get(reverse(f"admin:tracing_{model}_add")).status_code == 403
        gone = admin.post(reverse(f"admin:tracing_{model}_delete", args=[key]), {"post": "yes"})
        assert gone.status_code == 403
    admin.post(page(), {"name": "changed"})
    admin.post(LIST, {"action": "delete_selected", "_selected_action": ["t-0"], "post": "yes"})
    assert TraceRecord.objects.get().name == "ai_chat"


def test_staff_without_the_permission_see_nothing(assistant):
    make()
    assert assistant.get(LIST).status_code == 403
    assert assistant.get(page()).status_code == 403

    assistant.may("view_tracerecord")
    assert assistant.get(LIST).status_code == 200
    assert assistant.get(page()).status_code == 200


SCORES = reverse("admin:tracing_scorerecord_changelist")
SECRET = "what-alice-said"


@pytest.fixture
def secret():
    """A trace with words wherever words may be."""
    trace = make(steps=1, input={"q": SECRET}, output=SECRET, metadata={"a": SECRET},
                 status=Outcome.ERROR, status_message=SECRET, error_type="RateLimited",
                 export_error=SECRET, total_tokens=2325, cost="0.0123")  # fmt: skip
    trace.observations.update(error_type="ReadTimeout", input=SECRET, output={"o": SECRET},
                              metadata={"m": SECRET}, status_message=SECRET,
                              model_parameters={"p": SECRET})  # fmt: skip
    score = judge("t-0", value=0, comment=SECRET, export_error=SECRET)
    return [LIST, page(), SCORES, reverse("admin:tracing_scorerecord_change", args=[score.pk]),
            f"{SCORES}?q=t-0", f"{LIST}?q=t-0"]  # fmt: skip


def test_who_may_not_read_content_sees_times_and_counts_alone(assistant, secret):
    assistant.may("view_tracerecord", "view_scorerecord")

    for url in secret:
        assert SECRET not in text(assistant.get(url)), url
    shown = text(assistant.get(page()))
    for words in ("ai_chat", "step-0", "1.32 s", "2325", "$0.0123", "RateLimited", "user_feedback",
                  "needs a permission of its own"):  # fmt: skip
        assert words in shown, words


def test_content_that_is_not_shown_is_not_read_either(assistant, secret):
    assistant.may("view_tracerecord")
    with CaptureQueriesContext(connection) as captured:
        assistant.get(page())

    for column in ("input", "output", "metadata", "status_message", "comment"):
        assert not any(f'"{column}"' in query["sql"] for query in captured), column


def test_who_may_read_content_does(assistant, secret):
    assistant.may("view_tracerecord", "view_scorerecord", "read_content")
    _, trace, scores, score, *_ = secret

    assert text(assistant.get(trace)).count(SECRET) >= 9
    assert SECRET in text(assistant.get(scores))
    assert SECRET in text(assistant.get(score))
    assert "needs a permission" not in text(assistant.get(trace))


@pytest.mark.parametrize(
    "query",
    [
        "input__q__startswith=what", "output__contains=what", "status_message__contains=what",
        "metadata__a=what-alice-said", "observations__input__contains=what",
        "tags__contains=a", "export_error__contains=what",
    ],
)  # fmt: skip
def test_content_cannot_be_guessed_by_filtering(assistant, secret, query):
    assistant.may("view_tracerecord", "view_scorerecord")
    assistant.raise_request_exception = False

    assert assistant.get(f"{LIST}?{query}").status_code == 400
    assert assistant.get(f"{SCORES}?comment__startswith=what").status_code == 400
    assert assistant.get(f"{SCORES}?o=3").status_code == 200
    assert assistant.get(f"{SCORES}?q={SECRET}").context["cl"].result_count == 0


def test_a_judgement_taken_back_is_not_shown(admin):
    make()
    judge("t-0", value=None)
    assert "user_feedback" not in text(admin.get(page()))


def test_the_page_says_why_no_words_are_there(admin):
    make(0, content_state="not_recorded", steps=1)
    make(1, content_state="removed")

    assert "was not recorded" in text(admin.get(page("t-0")))
    assert "has been removed" in text(admin.get(page("t-1")))
    for number in (0, 1):
        assert "<h2>Input</h2>" not in text(admin.get(page(f"t-{number}")))


def test_the_list_of_scores_leads_to_their_traces_and_takes_a_fixed_number_of_queries(admin):
    judge("t-0", value=1)
    queries(admin, SCORES)
    one = queries(admin, SCORES)
    for number in range(1, 60):
        judge(f"t-{number}", value=1, name=f"n{number}")

    assert page("t-59") in text(admin.get(SCORES))
    assert queries(admin, SCORES) == one <= 7


def test_students_and_strangers_are_sent_to_log_in(client, alice):
    make()
    for _ in range(2):
        assert client.get(LIST).status_code == client.get(page()).status_code == 302
        client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")


def test_a_trace_that_is_gone_leads_back(admin):
    assert admin.get(page("no-such-trace")).status_code == 302


def test_the_list_of_scores_shows_a_thumb_as_a_thumb(admin):
    make()
    judge("t-0", value=0)
    judge("t-0", name="faithfulness", value=0.75)

    shown = text(admin.get(reverse("admin:tracing_scorerecord_changelist")))

    assert "▼" in shown and "0.75" in shown


def test_the_lists_speak_of_the_export_only_where_there_is_one(admin, tracing_settings):
    make()
    judge("t-0", value=1)
    for url in (LIST, reverse("admin:tracing_scorerecord_changelist")):
        assert "column-export" not in text(admin.get(url))

    tracing_settings(LANGFUSE_HOST="http://langfuse.invalid:3000")
    for url in (LIST, reverse("admin:tracing_scorerecord_changelist")):
        assert "column-export" in text(admin.get(url))
