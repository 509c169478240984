"""A setting that cannot work is said at the start."""

import pytest

from tracing.checks import check_settings


def found():
    return [(problem.id, problem.msg) for problem in check_settings(None)]


def test_the_settings_of_the_tests_are_right():
    assert found() == []


def test_a_setting_that_does_not_exist_is_named(tracing_settings):
    tracing_settings(LANGFUSE_HOTS="http://x")
    [(check, message)] = found()
    assert (check, message) == ("tracing.E001", "TRACING has no setting 'LANGFUSE_HOTS'.")


@pytest.mark.parametrize("name", ["EXPORTER", "RECORDER", "MASK", "SESSION_URL"])
def test_a_path_that_leads_nowhere_is_named(tracing_settings, name):
    tracing_settings(**{name: "tracing.nowhere.Thing"})
    [(check, message)] = found()
    assert check == "tracing.E002"
    assert f"TRACING[{name!r}] names 'tracing.nowhere.Thing'" in message


def test_half_a_langfuse_is_a_warning(tracing_settings):
    tracing_settings(LANGFUSE_HOST="http://x", LANGFUSE_PUBLIC_KEY="pk")
    [(check, message)] = found()
    assert check == "tracing.W001"
    assert "not LANGFUSE_SECRET_KEY" in message


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        ({"glm-4*": (0.6, 2.2)}, "TRACING['PRICES'] is no list: {'glm-4*': (0.6, 2.2)}."),
        ([("glm-4*", 0.6)], "TRACING['PRICES'] holds ('glm-4*', 0.6): it is not (pattern, "),
        ([("a", 1, 2), ("b", -1, 2)], "holds ('b', -1, 2): its input price is not a number from 0"),
    ],
)
def test_a_price_that_cannot_be_used_is_named(tracing_settings, prices, words):
    tracing_settings(PRICES=prices)
    [(check, message)] = found()
    assert check == "tracing.E003"
    assert words in message


def test_prices_that_can_be_used_are_no_problem(tracing_settings):
    tracing_settings(PRICES=[("glm-4*", 0.6, 2.2), ["qwen-plus*", 0, 1]])
    assert found() == []
