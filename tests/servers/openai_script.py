"""The vocabulary in which tests script the answers of `OpenAIServer`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

SAMPLE_ANSWER = """\
A **limit** says what value a function approaches as its input approaches a point [1]. It need
not be the value *at* that point [1]:

$$\\lim_{x \\to 2} \\frac{x^2 - 4}{x - 2} = 4$$

| $x$ | $f(x)$ |
|---|---|
| 1.9 | 3.9 |
| 2.1 | 4.1 |

Check it with a few lines of code [2]:

```python
def f(x):
    return (x**2 - 4) / (x - 2)
```
"""


class Step(Enum):
    """What an answer can do besides sending text."""

    WAIT = "until `release()` is called or the client goes away"
    CUT = "reset the connection"
    CLOSE = "close the connection in good order, but without the end of the body"
    KEEP_ALIVE = "a comment, and an event without data"
    NULL = "a chunk whose content is null"
    END = "end the body here: no finish_reason, no usage, no [DONE]"


WAIT, CUT, CLOSE = Step.WAIT, Step.CUT, Step.CLOSE
KEEP_ALIVE, NULL, END = Step.KEEP_ALIVE, Step.NULL, Step.END


@dataclass(frozen=True)
class Raw:
    """Bytes sent as they are, such as a broken line."""

    content: bytes


@dataclass(frozen=True)
class Delta:
    """A chunk with this delta, such as one of a model that thinks aloud."""

    content: Mapping[str, Any]


class UsageShape(Enum):
    OWN_CHUNK = "a last chunk with `choices: []`, if the request asks for it (OpenAI)"
    LAST_CHUNK = "on the chunk with the finish_reason (transformers serve)"
    EVERY_CHUNK = "on every chunk, growing (vLLM)"
    NEVER = "not at all (llama.cpp)"


@dataclass(frozen=True)
class Answer:
    steps: Sequence[str | Step | Raw | Delta]
    usage: UsageShape = UsageShape.OWN_CHUNK
    finish_reason: str | None = "stop"
    sends_done: bool = True
    pace_seconds: float = 0.0


@dataclass(frozen=True)
class Failure:
    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
