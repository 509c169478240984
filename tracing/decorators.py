"""`@traced`: record a plain function as a span of its own.

On a generator it records what was yielded, once, when the generator ends, is closed or fails. This
is the decorator of the broken traces this project grew from, made unable to break: it looks at
what kind of function it wraps, and never holds a context variable across a `yield`.
"""

import functools
import inspect
from collections import deque
from collections.abc import Callable

from tracing.observations import Observation, Span


def traced(function: Callable | None = None, *, name: str = "") -> Callable:
    """Trace every call: arguments by name as input, the result as output.

    Works on functions, coroutine functions, generators and async generators; what a generator
    yielded is joined when it is all text, else kept as a list. `self` and `cls` are left out, and
    a function without arguments has no input at all. Generators can be sent to and thrown into.
    """
    if function is None:
        return functools.partial(traced, name=name)
    label = name or function.__qualname__
    signature = inspect.signature(function)

    def observe(args, kwargs) -> Span:
        return Span(label, input=_arguments(signature, args, kwargs))

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            watched = _Watched(observe(args, kwargs))
            inner = function(*args, **kwargs)
            step, given = inner.asend, None
            try:
                while True:
                    try:
                        with watched.observation.innermost():
                            item = await step(given)
                    except StopAsyncIteration:
                        break
                    watched.items.add(item)
                    try:
                        step, given = inner.asend, (yield item)
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        step, given = inner.athrow, error
            except BaseException as error:
                watched.error = error
                raise
            finally:
                try:
                    with watched.observation.innermost():
                        await inner.aclose()
                finally:
                    watched.end()

    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            watched = _Watched(observe(args, kwargs))
            inner = function(*args, **kwargs)
            step, given = inner.send, None
            try:
                while True:
                    try:
                        with watched.observation.innermost():
                            item = step(given)
                    except StopIteration as end:
                        return end.value
                    watched.items.add(item)
                    try:
                        step, given = inner.send, (yield item)
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        step, given = inner.throw, error
            except BaseException as error:
                watched.error = error
                raise
            finally:
                try:
                    with watched.observation.innermost():
                        inner.close()
                finally:
                    watched.end()

    elif inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            with observe(args, kwargs) as observation:
                observation.output = await function(*args, **kwargs)
                return observation.output

    else:

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with observe(args, kwargs) as observation:
                observation.output = function(*args, **kwargs)
                return observation.output

    return wrapper


class _Watched:
    """A generator under observation: entered when it starts, without staying in the context."""

    def __init__(self, observation: Observation):
        self.observation = observation
        self.items = _Yielded()
        self.error: BaseException | None = None
        observation.__enter__()
        # The consumer's code runs between two items and must not find itself inside this span, so
        # each step of the generator enters and leaves it (`innermost`).
        observation.leave_context()

    def end(self) -> None:
        if isinstance(self.error, GeneratorExit):
            # Its consumer had enough: what was yielded is the output, and nothing failed.
            self.error = None
            self.observation.metadata["closed_early"] = True
        self.observation.output = self.items.joined()
        self.observation.__exit__(type(self.error), self.error, None)


class _Yielded:
    """What a generator yielded: all of it, or the two ends of what never ends."""

    END = 5_000

    def __init__(self):
        self.head: list = []
        self.tail: deque = deque(maxlen=self.END)
        self.count = 0

    def add(self, item) -> None:
        self.count += 1
        (self.head if self.count <= self.END else self.tail).append(item)

    def joined(self) -> str | list:
        missing = self.count - len(self.head) - len(self.tail)
        gap = [f"… [{missing} items left out] …"] if missing else []
        items = [*self.head, *gap, *self.tail]
        all_text = bool(items) and all(isinstance(item, str) for item in items)
        return "".join(items) if all_text else items


def _arguments(signature: inspect.Signature, args, kwargs) -> dict | None:
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return None  # the call itself will say what is wrong with it
    named = {name: value for name, value in bound.arguments.items() if name not in ("self", "cls")}
    return named or None
