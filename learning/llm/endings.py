"""Why an answer ended: the many words of providers, in the four that make a difference.

Knows no provider's format: `StreamChunk.finish_reason` is the word as it came.
"""

from enum import StrEnum

from django.utils.translation import gettext as _


class Ending(StrEnum):
    WHOLE = "whole"
    AT_LIMIT = "at its length limit"
    FILTERED = "by a filter of the provider's"
    BROKEN = "by a failure of the provider's"


# In lower case; what is not named here ended well.
_ENDINGS = {
    "length": Ending.AT_LIMIT,
    "max_tokens": Ending.AT_LIMIT,
    "model_length": Ending.AT_LIMIT,  # Mistral: the model's own limit
    "content_filter": Ending.FILTERED,
    "sensitive": Ending.FILTERED,  # GLM
    "safety": Ending.FILTERED,  # Gemini, as the next three
    "recitation": Ending.FILTERED,
    "blocklist": Ending.FILTERED,
    "prohibited_content": Ending.FILTERED,
    "guardrail_intervened": Ending.FILTERED,  # Bedrock
    "error": Ending.BROKEN,  # OpenRouter: whoever stands behind it has failed
    "network_error": Ending.BROKEN,  # GLM
    "insufficient_system_resource": Ending.BROKEN,  # DeepSeek
    "abort": Ending.BROKEN,  # vLLM and SGLang, when the server goes
}


def ending(finish_reason: str | None) -> Ending:
    return _ENDINGS.get(str(finish_reason).lower(), Ending.WHOLE)


def note(finish_reason: str | None) -> str:
    """What a student should know of an answer that came to its end; "" is: nothing."""
    if ending(finish_reason) is Ending.AT_LIMIT:
        return _("The answer was cut at its length limit. You can ask the tutor to go on.")
    return ""
