"""Which models a turn may ask, and what students are told meanwhile."""

import logging

import pytest

from learning.llm import availability, errors
from learning.llm.availability import (
    MOST_OTHER_MODELS,
    Availability,
    get_availability,
    on_change,
)
from learning.llm.base import get_chat_model, get_fallback_model
from learning.llm.errors import ModelAway
from learning.llm.extractive import ExtractiveChatModel
from learning.llm.openai import OpenAIChatModel

AWAY = errors.ChatModelUnavailable("ConnectionRefusedError: nobody there")


@pytest.fixture
def clock():
    return [1_000.0]


@pytest.fixture
def first():
    return OpenAIChatModel("gpt-test", base_url="http://one.example/v1")


@pytest.fixture
def second():
    return OpenAIChatModel("gpt-test", base_url="http://two.example/v1")


@pytest.fixture
def build(clock, settings):
    def build(model, fallback=None) -> Availability:
        tutor = {**settings.TUTOR, "FAILURES_BEFORE_PAUSE": 2}
        return Availability(model, fallback, tutor=tutor, clock=lambda: clock[0])

    return build


@pytest.fixture
def changes():
    """How often the watchers were told."""
    calls = []
    on_change(lambda: calls.append(None))
    yield calls
    availability._watchers.pop()


@pytest.fixture
def from_settings():
    """Models are built anew from the settings of a test."""

    def forget():
        for cached in (get_chat_model, get_fallback_model, get_availability):
            cached.cache_clear()

    forget()
    yield
    forget()


def fail(models: Availability, model, error=AWAY, times=2):
    for _ in range(times):
        models.failed(model, error)


def test_while_all_is_well_the_fallback_is_asked_second(build, first, second):
    assert build(first, second).models_to_ask() == [first, second]
    assert build(first).models_to_ask() == [first]


def test_a_model_that_failed_again_and_again_is_not_asked(build, first, second):
    models = build(first, second)
    fail(models, first)

    assert models.models_to_ask() == [second]


def test_the_same_name_at_another_address_is_another_model(build, first, second):
    models = build(first, second)
    fail(models, second)

    assert models.models_to_ask() == [first]


def test_the_turn_that_tries_a_model_again_has_the_fallback_at_hand(build, first, second, clock):
    models = build(first, second)
    fail(models, first)
    clock[0] += 30

    assert models.models_to_ask() == [first, second]
    assert models.models_to_ask() == [second]


def test_a_model_that_answers_again_is_everybodys_again(build, first, second, clock):
    models = build(first, second)
    fail(models, first)
    clock[0] += 30
    models.models_to_ask()

    models.answered(first)

    assert [models.models_to_ask() for _ in range(2)] == [[first, second]] * 2


def test_when_none_is_to_be_asked_the_student_hears_when_one_will_be(build, first, second, clock):
    models = build(first, second)
    fail(models, first)
    clock[0] += 10
    fail(models, second)

    with pytest.raises(ModelAway) as caught:
        models.models_to_ask()

    assert caught.value.again_in_seconds == 20
    assert "in about 20 seconds" in str(caught.value.shown_to_user)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "5 seconds"),
        (21, "25 seconds"),
        (54, "55 seconds"),
        (58, "1 minute;"),
        (61, "2 minutes"),
    ],
)
def test_the_time_is_told_in_round_figures(seconds, words):
    assert f"about {words}" in ModelAway("away", again_in_seconds=seconds).shown_to_user


def test_a_spare_that_recovers_is_tried_when_it_is_needed(build, first, second, clock):
    models = build(first, second)
    fail(models, second)
    clock[0] += 30

    assert models.models_to_ask() == [first]  # not the trial of the second: it is hardly asked

    fail(models, first)
    assert models.models_to_ask() == [second]


def test_a_fallback_that_is_the_model_itself_is_none(build, first):
    models = build(first, OpenAIChatModel("gpt-test", base_url="http://one.example/v1"))

    assert models.models_to_ask() == [first]


@pytest.fixture
def own():
    """A course's."""
    return OpenAIChatModel("gpt-large", base_url="http://one.example/v1")


def test_a_course_s_own_model_is_asked_first_and_the_site_s_after_it(build, first, second, own):
    models = build(first, second)

    assert models.models_to_ask(own) == [own, first, second]
    assert models.models_to_ask(first) == [first, second]  # one that names the site's own
    assert models.models_to_ask(second) == [second, first]


def test_a_course_s_own_model_that_failed_again_and_again_is_not_asked(
    build, first, own, clock, changes
):
    models = build(first)
    fail(models, own)

    assert models.models_to_ask(own) == [first]
    assert models.models_to_ask() == [first]
    assert (models.notice(), len(changes)) == ("", 0)  # the site's answers
    clock[0] += 30
    assert models.models_to_ask(own) == [own, first]
    assert models.models_to_ask(own) == [first]
    models.answered(own)
    assert models.models_to_ask(own) == [own, first]


def test_a_course_s_own_model_is_asked_while_the_site_s_is_left_alone(build, first, own):
    models = build(first)
    fail(models, first)

    assert models.models_to_ask(own) == [own]


def test_when_a_course_s_own_model_is_away_too_its_student_hears_when_one_is_asked(
    build, first, own, clock
):
    models = build(first)
    fail(models, own)
    clock[0] += 10
    fail(models, first)

    with pytest.raises(ModelAway) as caught:
        models.models_to_ask(own)

    assert caught.value.again_in_seconds == 20


def test_each_course_s_model_is_judged_alone_and_names_long_unused_are_forgotten(build, first, own):
    models = build(first)
    fail(models, own)
    others = [
        OpenAIChatModel(f"gpt-{number}", base_url="http://one.example/v1")
        for number in range(MOST_OTHER_MODELS)
    ]

    for other in others[1:]:
        assert models.models_to_ask(other) == [other, first]
    assert models.models_to_ask(own) == [first]
    for other in others:
        models.models_to_ask(other)
    assert models.models_to_ask(own) == [own, first]


@pytest.mark.parametrize(
    "error",
    [
        errors.ChatModelTimeout("no first word in 60 s"),
        errors.RateLimited("429"),
        errors.AccessRefused("401"),
    ],
)
def test_what_is_the_providers_fault_counts(build, first, error):
    models = build(first)
    fail(models, first, error)

    with pytest.raises(ModelAway):
        models.models_to_ask()


@pytest.mark.parametrize(
    "error",
    [
        errors.RequestRefused("400"),
        errors.ContextTooLong("400"),
        errors.ContentFiltered("400"),
        errors.EmptyAnswer("no text"),
        errors.AnswerCutOff("the connection broke"),
    ],
)
def test_what_one_question_brings_about_shows_that_the_provider_lives(build, first, error):
    models = build(first)
    models.failed(first, AWAY)
    models.failed(first, error)
    models.failed(first, AWAY)

    assert models.models_to_ask() == [first]


def test_a_provider_that_names_its_time_is_left_alone_for_so_long(build, first, clock):
    models = build(first)
    fail(models, first, errors.RateLimited("429", retry_after_seconds=90))
    clock[0] += 89

    with pytest.raises(ModelAway):
        models.models_to_ask()


def test_the_banner_says_who_answers_instead(build, first, second):
    words = {}
    for name, fallback in {
        "none": None,
        "another": second,
        "quotes": ExtractiveChatModel(),
    }.items():
        models = build(first, fallback)
        assert models.notice() == ""
        fail(models, first)
        words[name] = models.notice()

    assert "tried again by itself" in words["none"]
    assert "another model answers" in words["another"]
    assert "sentences of the course" in words["quotes"]


def test_watchers_hear_when_the_banner_comes_changes_and_goes(build, first, second, changes):
    models = build(first, second)
    models.failed(first, AWAY)
    assert len(changes) == 0
    fail(models, first, times=3)
    assert len(changes) == 1
    fail(models, second)
    assert len(changes) == 2
    models.answered(second)
    models.answered(first)
    assert len(changes) == 4
    models.answered(first)
    assert len(changes) == 4


def test_the_log_says_when_a_model_goes_and_why_and_when_it_is_back(build, first, caplog):
    caplog.set_level(logging.INFO)
    models = build(first)
    fail(models, first, times=5)
    models.answered(first)
    models.answered(first)

    assert [record.getMessage() for record in caplog.records] == [
        "gpt-test is left alone for a while: ConnectionRefusedError: nobody there",
        "gpt-test answers again",
    ]


def test_the_settings_name_the_model_and_its_fallback(settings, from_settings):
    settings.TUTOR = {
        **settings.TUTOR,
        "CHAT_MODEL_BACKEND": "learning.llm.openai.OpenAIChatModel",
        "CHAT_MODEL": "big",
        "BASE_URL": "http://one.example/v1",
        "FALLBACK": {"CHAT_MODEL": "small", "BASE_URL": "http://two.example/v1"},
    }

    models = availability.models_to_ask()

    assert [(model.name, model.address) for model in models] == [
        ("big", "http://one.example/v1"),
        ("small", "http://two.example/v1"),
    ]


def test_without_a_fallback_in_the_settings_there_is_none(settings, from_settings):
    settings.TUTOR = {**settings.TUTOR, "FALLBACK": {}}

    assert get_fallback_model() is None
    assert availability.models_to_ask() == [get_chat_model()]
    assert availability.notice() == ""


def test_one_process_keeps_one_account(settings, from_settings):
    settings.TUTOR = {**settings.TUTOR, "FAILURES_BEFORE_PAUSE": 1, "FALLBACK": {}}

    availability.failed(get_chat_model(), AWAY)
    with pytest.raises(ModelAway):
        availability.models_to_ask()

    availability.answered(get_chat_model())
    assert availability.models_to_ask() == [get_chat_model()]
