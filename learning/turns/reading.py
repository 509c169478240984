"""Read what a model says, and lose patience where nothing comes for too long.

Watched here and not by each provider's client, since a connection may be kept alive for ever
without a word of the answer.
"""

import asyncio
import math
from collections.abc import AsyncIterable, Callable

from django.conf import settings

from learning.llm.base import StreamChunk
from learning.llm.errors import AnswerCutOff, ChatModelTimeout

GRAIN = 1 / 30  # patience may end earlier by this share


async def read(stream: AsyncIterable[StreamChunk], take: Callable[[StreamChunk], None]) -> None:
    """Hand every chunk to `take`; raises ChatModelTimeout, or AnswerCutOff after the first text."""
    now = asyncio.get_running_loop().time
    first = settings.TUTOR["FIRST_TOKEN_SECONDS"]
    between = settings.TUTOR["BETWEEN_TOKENS_SECONDS"]
    has_text, moved_at = False, -math.inf
    try:
        async with asyncio.timeout(first) as patience:
            async for chunk in stream:
                # Not with every chunk: a timer costs as much as reading one.
                if (chunk.text or chunk.is_thinking) and now() - moved_at > GRAIN * between:
                    moved_at = now()
                    patience.reschedule(moved_at + between)
                has_text = has_text or bool(chunk.text)
                take(chunk)
    except TimeoutError:
        if not patience.expired():
            raise
        if has_text:
            raise AnswerCutOff(f"nothing more came for {between} s") from None
        raise ChatModelTimeout(f"no first token within {first} s") from None
