"""What a call cost is known or unknown, and unknown is never shown as free."""

from decimal import Decimal

import pytest

from tests.tracing.conftest import row_of
from tracing import Usage, generation, span, trace
from tracing.prices import SHIPPED, cost_of, price_of, problem_with

THOUSAND = Usage(input=1000, output=1000)


def dollars(model, usage=THOUSAND):
    cost = cost_of(model, usage)
    return None if cost is None else str(cost.total.normalize())


def test_a_call_costs_its_tokens_times_the_price():
    cost = cost_of("gpt-4o-mini", Usage(input=1941, output=384))

    assert cost == (Decimal("0.000291150"), Decimal("0.000230400"), Decimal("0.000521550"))
    assert {part.as_tuple().exponent for part in cost} == {-9}


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o-mini",
        "GPT-4o-Mini",
        "openai/gpt-4o-mini",
        "openrouter/openai/gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
        "openai/gpt-4o-mini-2024-07-18",
    ],
)
def test_a_model_is_known_by_any_of_its_names(model):
    assert dollars(model) == "0.00075"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o-2024-05-13", "0.02"),  # dearer than the snapshots after it
        ("gpt-4o-2024-08-06", "0.0125"),
        ("glm-4.6", "0.0028"),
        ("zai-org/GLM-4.5-Air", "0.0013"),
        ("deepseek-ai/DeepSeek-V3", "0.00137"),
        ("deepseek-ai/DeepSeek-V3-0324", "0.00137"),
        ("deepseek-ai/DeepSeek-V3.1", "0.00224"),
        ("qwen-plus-latest", "0.0016"),
    ],
)
def test_the_table_that_is_shipped_knows_common_models(model, expected):
    assert dollars(model) == expected


@pytest.mark.parametrize(
    "model", ["", "a-model-of-ours", "gpt-4o-realtime-preview", "gpt-5-pro", "x/deepseek-r1:free"]
)
def test_a_model_without_a_price_has_no_cost(model):
    assert cost_of(model, THOUSAND) is None


@pytest.mark.parametrize("model", ["extractive", "all-MiniLM-L6-v2"])
def test_what_runs_here_is_free_and_not_unknown(model):
    assert dollars(model) == "0"


def test_every_shipped_entry_can_be_used_and_is_reached():
    assert [problem_with(entry) for entry in SHIPPED] == [None] * len(SHIPPED)
    for pattern, read, written in SHIPPED:
        first = pattern.replace("[123]", "1").replace("[567]", "5").replace("[34]", "3")
        assert price_of(first) == (Decimal(str(read)), Decimal(str(written))), first


def test_prices_of_ones_own_go_first_and_the_first_that_matches_counts(tracing_settings):
    tracing_settings(PRICES=[("glm-4.6", 1, 2), ("glm-*", 3, 4), ("openai/gpt-4o*", 0, Decimal(1))])

    assert dollars("glm-4.6") == "0.003"
    assert dollars("GLM-9") == "0.007"
    assert dollars("openai/gpt-4o-mini") == "0.001"
    assert dollars("gpt-4o-mini") == "0.00075"


def test_a_price_is_taken_as_it_is_written(tracing_settings):
    tracing_settings(PRICES=[("m", 0.1, 0.3)])

    assert cost_of("m", Usage(input=3, output=3)).total == Decimal("0.0000012")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(input=0, output=0), "0"),
        (Usage(input=1000), "0.0025"),  # an embedding writes nothing
        (Usage(output=1000), "0.01"),
        (Usage(), None),
        (Usage(total=1000), None),
        (None, None),
        (Usage(input=-1, output=5, total=4), None),
        (Usage(input=1.5, output=5), None),
        (Usage(input=10**30, output=5), None),
        (Usage(input=True, output=5), None),
        (Usage(input="12", output=None, total=12), None),
    ],
)
def test_odd_counts_cost_nothing_or_are_unknown(usage, expected):
    assert dollars("gpt-4o", usage) == expected


def test_a_cost_that_no_column_holds_is_unknown(tracing_settings):
    tracing_settings(PRICES=[("dear", 1_000_000, 0)])

    assert cost_of("dear", Usage(input=9_000_000)).total == 9_000_000
    assert cost_of("dear", Usage(input=10_000_000)) is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("gpt-4o=1/2", "it is not (pattern"),
        (("gpt-4o", 1), "it is not (pattern"),
        (7, "it is not (pattern"),
        ((" ", 1, 2), "its pattern is not the name"),
        ((None, 1, 2), "its pattern is not the name"),
        (("gpt-4o", "1", 2), "its input price"),
        (("gpt-4o", 1, -2), "its output price"),
        (("gpt-4o", 1, float("nan")), "its output price"),
        (("gpt-4o", Decimal("NaN"), 1), "its input price"),
        (("gpt-4o", 1, float("inf")), "its output price"),
        (("gpt-4o", 1, 10**400), "its output price"),
        (("gpt-4o", True, 1), "its input price"),
    ],
)
def test_an_entry_that_cannot_be_used_is_said_and_passed_over(entry, words, tracing_settings):
    assert words in problem_with(entry)

    tracing_settings(PRICES=[entry])
    assert dollars("gpt-4o") == "0.0125"


@pytest.mark.django_db(transaction=True)
class TestRows:
    def test_a_generation_keeps_its_cost_and_its_trace_the_sum(self, recorded):
        with trace("ai_chat") as turn, span("retrieve"):
            with generation("embedding", model="text-embedding-3-small") as embedding:
                embedding.usage = Usage(input=1000)
            with generation("llm_call", model="openai/gpt-4o-mini") as answer:
                answer.usage = Usage(input=1941, output=384)
        recorded.drain()

        row = row_of(turn)
        retrieve, embedding, answer = row.observations.all()
        assert row.cost == Decimal("0.00054155")
        assert (retrieve.cost, retrieve.input_cost, retrieve.output_cost) == (None, None, None)
        assert (embedding.input_cost, embedding.output_cost) == (Decimal("0.00002"), 0)
        assert (answer.input_cost, answer.output_cost, answer.cost) == (
            Decimal("0.00029115"),
            Decimal("0.0002304"),
            Decimal("0.00052155"),
        )

    def test_a_free_step_does_not_make_an_answer_of_unknown_price_free(self, recorded):
        with trace("ai_chat") as turn:
            with generation("embedding", model="all-MiniLM-L6-v2") as embedding:
                embedding.usage = Usage(input=7)
            with generation("llm_call", model="a-model-of-ours") as answer:
                answer.usage = THOUSAND
        recorded.drain()

        row = row_of(turn)
        assert row.cost is None
        assert [step.cost for step in row.observations.all()] == [0, None]

    def test_a_step_of_unknown_price_does_not_hide_what_the_answer_cost(self, recorded):
        with trace("ai_chat") as turn:
            with generation("embedding", model="an-embedder-of-ours") as embedding:
                embedding.usage = Usage(input=7)
            with generation("llm_call", model="gpt-4o") as answer:
                answer.usage = THOUSAND
        recorded.drain()

        assert row_of(turn).cost == Decimal("0.0125")

    def test_an_answer_of_the_built_in_tutor_is_free(self, recorded):
        with trace("ai_chat") as turn:
            with generation("embedding", model="all-MiniLM-L6-v2") as embedding:
                embedding.usage = Usage(input=7)
            with generation("llm_call", model="extractive") as answer:
                answer.usage = THOUSAND
        recorded.drain()

        assert row_of(turn).cost == 0

    def test_a_trace_without_a_model_call_has_no_cost(self, recorded):
        with trace("reindex") as turn, span("chunk"):
            pass
        recorded.drain()

        assert row_of(turn).cost is None

    def test_nonsense_counts_cost_no_row(self, recorded):
        with trace("ai_chat") as turn:
            with generation("llm_call", model="gpt-4o") as answer:
                answer.usage = Usage(input=-1, output=2**40, total=-1)
        recorded.drain()

        row = row_of(turn)
        [answer] = row.observations.all()
        assert (row.cost, answer.cost, answer.input_tokens) == (None, None, None)

    def test_a_sum_that_no_column_holds_costs_no_row(self, recorded, tracing_settings):
        tracing_settings(PRICES=[("dear", 1_000_000, 0)])
        with trace("ai_chat") as turn:
            for _ in range(2):
                with generation("llm_call", model="dear") as answer:
                    answer.usage = Usage(input=9_000_000)
        recorded.drain()

        row = row_of(turn)
        assert row.cost is None
        assert [step.cost for step in row.observations.all()] == [9_000_000] * 2
