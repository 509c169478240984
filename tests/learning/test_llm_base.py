"""What all chat models share."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import translation

from learning.llm import errors
from learning.llm.base import ChatMessage, get_chat_model
from learning.llm.extractive import ExtractiveChatModel
from learning.llm.openai import OpenAIChatModel


@pytest.fixture
def named(settings):
    """Name another backend in the settings; the one built before is forgotten."""

    def name(path):
        settings.TUTOR = {**settings.TUTOR, "CHAT_MODEL_BACKEND": path}
        get_chat_model.cache_clear()
        return get_chat_model

    yield name
    get_chat_model.cache_clear()


def test_without_a_key_the_tutor_quotes(named):
    model = named("learning.llm.extractive.ExtractiveChatModel")()

    assert isinstance(model, ExtractiveChatModel)
    assert model.quotes_only


def test_the_openai_model_takes_its_name_from_the_settings(named, settings):
    model = named("learning.llm.openai.OpenAIChatModel")()

    assert isinstance(model, OpenAIChatModel)
    assert (model.name, model.quotes_only) == (settings.TUTOR["CHAT_MODEL"], False)


def test_a_model_is_built_once(named):
    get = named("learning.llm.extractive.ExtractiveChatModel")

    assert get() is get()


def test_a_wrong_path_is_named_in_the_error(named):
    with pytest.raises(ImproperlyConfigured, match=r"learning\.llm\.nothing\.Model"):
        named("learning.llm.nothing.Model")()


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("abcd", 1), ("abcde", 2), ("极限是什么", 5), ("极限 limit", 4)]
)
def test_tokens_are_estimated_by_script(text, tokens):
    assert ExtractiveChatModel().count_tokens(text) == tokens


def test_an_estimated_usage_says_so_and_adds_up():
    usage = ExtractiveChatModel().estimate_usage([ChatMessage("user", "abcd")], "abcdefgh")

    assert (usage.input, usage.output, usage.total, usage.is_estimate) == (5, 2, 7, True)


def leaves(kind=errors.ChatModelError):
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]


@pytest.mark.parametrize("error_class", leaves())
def test_what_a_student_reads_holds_nothing_technical(error_class):
    error = error_class("500: stack trace of the provider")

    with translation.override("en"):
        assert "provider" not in str(error.shown_to_user)
        assert str(error.shown_to_user).endswith(".")


def test_every_way_to_fail_has_words_of_its_own():
    with translation.override("en"):
        words = [str(error_class("detail").shown_to_user) for error_class in leaves()]

    assert len(set(words)) == len(words) - 1  # AccessRefused says what RequestRefused does


def test_only_what_may_pass_is_retryable():
    retryable = {e.__name__ for e in leaves() if e.retryable}

    assert retryable == {"ChatModelUnavailable", "RateLimited"}
