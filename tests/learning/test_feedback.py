"""What a student thinks of an answer: who may say it, what is kept, what its trace hears."""

import json
import uuid

import pytest

from learning.models import Conversation, Feedback, Message
from tests.learning.chat import browser_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def answer(alice, course) -> Message:
    """An answer that Alice got, with a trace."""
    conversation = Conversation.objects.create(user=alice, course=course, title="What is it?")
    question = conversation.messages.create(role="user", text="What is it?", ask_id="1")
    return conversation.messages.create(
        role="assistant", text="Light made sugar.", reply_to=question, trace_id="trace-1"
    )


@pytest.fixture
def as_alice(alice):
    return browser_of(alice)


def address(answer: Message) -> str:
    return f"/conversations/{answer.conversation_id}/feedback/"


def say(browser, answer: Message, value: str, **more):
    """Send what the script sends."""
    said = {"turn": str(answer.pk), "value": value, **more}
    return browser.post(address(answer), json.dumps(said), content_type="application/json")


def kept() -> list[tuple]:
    return list(Feedback.objects.values_list("is_helpful", "reason", "comment"))


def test_a_thumb_is_kept_and_told_to_the_trace(as_alice, answer, traces):
    reply = say(as_alice, answer, "up").json()

    assert reply == {"turn": str(answer.pk), "value": "up", "reason": "", "comment": ""}
    assert kept() == [(True, "", "")]
    score = traces.scores[-1]
    assert (score.trace_id, score.name, score.value) == ("trace-1", "user_feedback", 1)


def test_a_thumb_down_says_why_and_a_later_one_replaces_it(as_alice, answer, traces):
    say(as_alice, answer, "up")
    say(as_alice, answer, "down", reason="wrong", comment=" It is\r\nchemistry. ")

    assert kept() == [(False, "wrong", "It is\nchemistry.")]
    assert (traces.scores[-1].value, traces.scores[-1].comment) == (0, "wrong: It is\nchemistry.")
    assert traces.scores[-1].id == traces.scores[0].id

    say(as_alice, answer, "up", reason="wrong", comment="It is chemistry.")
    assert kept() == [(True, "", "")]


def test_what_is_taken_back_is_gone_from_the_row_and_the_trace(as_alice, answer, traces):
    say(as_alice, answer, "down", reason="unclear")

    assert say(as_alice, answer, "none").json()["value"] == "none"
    assert kept() == []
    assert traces.scores[-1].value is None


def test_a_comment_stays_out_of_the_trace_where_the_student_wants_no_words_there(
    alice, answer, traces
):
    alice.allows_tracing = False
    alice.save()
    say(browser_of(alice), answer, "down", reason="wrong", comment="It is chemistry.")

    assert kept() == [(False, "wrong", "It is chemistry.")]
    assert (traces.scores[-1].value, traces.scores[-1].comment) == (0, "wrong")


def test_an_answer_whose_trace_is_gone_can_be_judged(as_alice, answer, traces):
    Message.objects.update(trace_id="")

    assert say(as_alice, answer, "up").status_code == 200
    assert (kept(), traces.scores) == ([(True, "", "")], [])


def test_nobody_else_judges_an_answer(answer, bob, staff, traces, client):
    for browser in (browser_of(bob), browser_of(staff)):
        assert say(browser, answer, "up").status_code == 404
    assert say(client, answer, "up").url.startswith("/accounts/login/")
    assert (kept(), traces.scores) == ([], [])


def test_only_a_finished_answer_of_the_conversation_is_judged(as_alice, alice, course, answer):
    other = Conversation.objects.create(user=alice, course=course)
    running = other.messages.create(role="assistant", status=Message.Status.RUNNING)
    strange = Message(pk=uuid.uuid4(), conversation=answer.conversation)
    elsewhere = Message(pk=answer.pk, conversation=other)

    for wrong in (running, answer.reply_to, strange, elsewhere):
        assert say(as_alice, wrong, "up").status_code == 404
    assert kept() == []


@pytest.mark.parametrize(
    "body",
    [
        '{"value": "sideways"}',
        '{"value": "down", "reason": "because"}',
        '{"value": "down", "comment": "' + "x" * 501 + '"}',
        '{"value": 1}',
        '{"value": ["up"]}',
        "[" * 100_000,
        "[]",
        "up",
    ],
)
def test_what_is_no_feedback_is_refused_in_words(as_alice, answer, body):
    sent = body.replace("{", f'{{"turn": "{answer.pk}", ')

    refused = as_alice.post(address(answer), sent, content_type="application/json")

    assert refused.status_code == 400
    assert refused.json()["message"]
    assert kept() == []


def test_characters_that_no_database_keeps_are_left_out_of_a_comment(as_alice, answer):
    assert say(as_alice, answer, "down", comment="a\x00b\ud800c").status_code == 200

    assert kept() == [(False, "", "abc")]


def test_without_scripts_a_form_leads_back_to_the_answer(as_alice, answer):
    form = {"turn": str(answer.pk), "value": "down"}

    gone = as_alice.post(address(answer), form)
    page = as_alice.get(gone.url).content.decode()

    assert gone.url.endswith(f"#feedback-{answer.pk}") and f'id="feedback-{answer.pk}"' in page
    as_alice.post(address(answer), {**form, "reason": "sources", "comment": "Two <of> them."})
    assert kept() == [(False, "sources", "Two <of> them.")]
    assert as_alice.post(address(answer), {**form, "value": "x"}).url.startswith("/conversations/")


def test_the_page_shows_what_was_thought(as_alice, answer):
    page_url = answer.conversation.get_absolute_url()
    say(as_alice, answer, "down", reason="sources", comment="Two <of> them.")

    page = as_alice.get(page_url).content.decode()
    shown = page[page.index(f"feedback-{answer.pk}") : page.index("data-answer-template")]

    assert 'data-thumb="down" value="none" aria-pressed="true"' in shown
    assert 'data-thumb="up" value="up" aria-pressed="false"' in shown
    assert 'value="sources" checked' in shown
    assert "Two &lt;of&gt; them." in shown
    # The one that answers to come are made of knows nothing of it.
    assert "Two &lt;of&gt; them." not in page[page.index("data-answer-template") :]


def test_feedback_goes_with_its_conversation(as_alice, answer):
    say(as_alice, answer, "up")
    answer.conversation.delete()

    assert kept() == []
