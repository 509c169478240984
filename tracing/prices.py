"""What a model call costs: tokens times a price, by the pattern of the model's name.

`TRACING["PRICES"]` goes before the table shipped here; the first pattern that matches counts. No
price is known: no cost (None), which is not the same as free.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tracing import conf
from tracing.observations import Usage

PER_TOKENS = 1_000_000
BILLIONTH = Decimal("0.000000001")
TOO_MUCH = Decimal(10**7)  # what the columns cannot hold: 16 digits, 9 of them decimals
HIGHEST_PRICE = 1_000_000
LARGEST_COUNT = 2**31 - 1  # of PostgreSQL's integer, as for the counts themselves

# US dollars per million input / output tokens, written down on 2026-11-22, partly from copies of
# the makers' price lists: look before you rely on one. Prices change, and the same open model costs
# something else at each host: set your own in TRACING["PRICES"]. Names stand in full, because
# "gpt-4o*" would price gpt-4o-realtime too. Discounts for cached input and batches are not known
# here; where the hour counts (DeepSeek), it is the peak price.
SHIPPED = (
    # What runs here, and the probe of tracing_doctor.
    ("extractive", 0, 0),
    ("all-MiniLM-L6-v2", 0, 0),
    ("tracing_doctor", 0, 0),
    # OpenAI
    ("gpt-5.4", 2.5, 15),
    ("gpt-5.4-mini", 0.75, 4.5),
    ("gpt-5.2", 1.75, 14),
    ("gpt-5.1", 1.25, 10),
    ("gpt-5", 1.25, 10),
    ("gpt-5-mini", 0.25, 2),
    ("gpt-5-nano", 0.05, 0.4),
    ("gpt-4.1", 2, 8),
    ("gpt-4.1-mini", 0.4, 1.6),
    ("gpt-4.1-nano", 0.1, 0.4),
    ("gpt-4o-2024-05-13", 5, 15),
    ("gpt-4o", 2.5, 10),
    ("gpt-4o-mini", 0.15, 0.6),
    ("o3", 2, 8),
    ("o4-mini", 1.1, 4.4),
    ("text-embedding-3-small", 0.02, 0),
    ("text-embedding-3-large", 0.13, 0),
    ("text-embedding-ada-002", 0.1, 0),
    # GLM (Z.ai)
    ("glm-5.[123]", 1.4, 4.4),
    ("glm-5", 1, 3.2),
    ("glm-4.[567]", 0.6, 2.2),
    ("glm-4.5-air", 0.2, 1.1),
    # DeepSeek; deepseek-chat and -reasoner are the names of before July 2026
    ("deepseek-flash", 0.3, 1.2),
    ("deepseek-v4-flash", 0.3, 1.2),
    ("deepseek-v4-pro", 1.32, 3.96),
    ("deepseek-chat", 0.14, 0.28),
    ("deepseek-reasoner", 0.14, 0.28),
    ("deepseek-v3.1", 0.56, 1.68),
    ("deepseek-v3", 0.27, 1.1),
    ("deepseek-r1", 0.55, 2.19),
    # Qwen (Alibaba Cloud Model Studio, international)
    ("qwen-max", 1.6, 6.4),
    ("qwen-plus", 0.4, 1.2),
    ("qwen-flash", 0.05, 0.4),
    ("qwen-turbo", 0.05, 0.2),
    ("text-embedding-v[34]", 0.07, 0),
)

# The day of a snapshot: gpt-4o-2024-08-06, DeepSeek-V3-0324, qwen-max-latest.
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")


class Price(NamedTuple):
    """US dollars per million tokens."""

    input: Decimal
    output: Decimal


class Cost(NamedTuple):
    """US dollars, to the billionth."""

    input: Decimal
    output: Decimal
    total: Decimal


def cost_of(model: str, usage: Usage | None) -> Cost | None:
    """Return what a call cost; None when no price or no count of tokens is known.

    A side that was not counted costs nothing: an embedding has no output.
    """
    if usage is None:
        return None
    counts = (usage.input, usage.output)
    if counts == (None, None) or not all(_is_count(count) for count in counts):
        return None
    price = price_of(model)
    if price is None:
        return None
    read, written = (
        (dollars * (count or 0) / PER_TOKENS).quantize(BILLIONTH)
        for dollars, count in zip(price, counts, strict=True)
    )
    return Cost(read, written, read + written) if read + written < TOO_MUCH else None


def sum_of(costs: Sequence[Cost]) -> Decimal | None:
    """Return the total of several calls; None when there is none, or more than a column holds."""
    total = sum((cost.total for cost in costs), Decimal(0))
    return total if costs and total < TOO_MUCH else None


def price_of(model: str) -> Price | None:
    """Return the price of the first pattern that matches a model's name, in any letter case.

    A pattern may name the model with what stands before it ("openai/gpt-4o") and with the day of
    its snapshot ("gpt-4o-2024-08-06"), or without.
    """
    own = conf.get("PRICES")
    for entry in own if isinstance(own, Sequence) else ():
        if problem_with(entry) is None and _matches(entry[0], model):
            return _price(entry)
    return _shipped_price(model)


def problem_with(entry: Any) -> str | None:
    """Say what is wrong with an entry of PRICES; None when it can be used."""
    if isinstance(entry, str) or not isinstance(entry, Sequence) or len(entry) != 3:
        return "it is not (pattern, dollars per million input tokens, … output tokens)"
    pattern, *prices = entry
    if not isinstance(pattern, str) or not pattern.strip():
        return "its pattern is not the name of a model, such as 'glm-4*'"
    for side, price in zip(("input", "output"), prices, strict=True):
        if not _is_price(price):
            return f"its {side} price is not a number from 0 to {HIGHEST_PRICE}"
    return None


@functools.lru_cache(maxsize=1024)
def _shipped_price(model: str) -> Price | None:
    for entry in SHIPPED:
        if _matches(entry[0], model):
            return _price(entry)
    return None


def _price(entry: Sequence) -> Price:
    # By its text: Decimal(0.6) would be 0.59999….
    return Price(Decimal(str(entry[1])), Decimal(str(entry[2])))


def _matches(pattern: str, model: str) -> bool:
    return any(fnmatchcase(name, pattern.strip().lower()) for name in _names(model.lower()))


def _names(model: str) -> Iterator[str]:
    """The name as it was called, without what stands before it, and both without their day."""
    for name in (model, model.rpartition("/")[2]):
        yield name
        yield _SNAPSHOT.sub("", name)


def _is_price(price: Any) -> bool:
    if isinstance(price, bool) or not isinstance(price, int | float | Decimal):
        return False
    if isinstance(price, Decimal) and price.is_nan():  # which cannot be compared
        return False
    return 0 <= price <= HIGHEST_PRICE


def _is_count(tokens: Any) -> bool:
    # A provider's nonsense, -1 for "unknown" say, makes no cost.
    if isinstance(tokens, bool):
        return False
    return tokens is None or (isinstance(tokens, int) and 0 <= tokens <= LARGEST_COUNT)
