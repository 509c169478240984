"""Which models a turn may ask: its course's, the site's own, its fallback, or none for a while.

    for model in models_to_ask(name):      # raises ModelAway
        …ask it; at its first word: answered(model); on a ChatModelError: failed(model, error)…

A model that fails again and again is left alone for a time, so that students do not wait for it
one by one; then one turn tries it, with the fallback at hand. Kept per process: nothing is shared,
and each finds out for itself.
"""

import functools
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from django.conf import settings
from django.utils.translation import gettext as _

from learning.llm.base import ChatModel, get_chat_model, get_fallback_model, model_named
from learning.llm.breaker import Breaker
from learning.llm.errors import ChatModelError, ModelAway

logger = logging.getLogger(__name__)

Place = tuple[str, str]  # name and address

MOST_OTHER_MODELS = 100  # of courses: names that nobody uses any more are forgotten

_watchers: list[Callable[[], None]] = []


class Availability:
    """The site's model, its fallback and the models of courses, each with its breaker."""

    def __init__(
        self,
        model: ChatModel,
        fallback: ChatModel | None,
        *,
        tutor: Mapping,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.model = model
        self.fallback = fallback if fallback and _place(fallback) != _place(model) else None
        self._tutor = tutor
        self._clock = clock
        self._lock = threading.Lock()
        self._breakers = {_place(each): self._new() for each in (model, self.fallback) if each}
        self._others: OrderedDict[Place, Breaker] = OrderedDict()  # the last one used at the end
        self._notice = ""  # the last one that watchers were told of

    def models_to_ask(self, own: ChatModel | None = None) -> list[ChatModel]:
        """The models of one turn, in the order in which to ask them, at least one.

        `own` is its course's. Raises ModelAway. Only for a turn that asks now: it may be the one
        that tries again.
        """
        models: list[ChatModel] = []
        order = {_place(each): each for each in (own, self.model, self.fallback) if each}
        for model in order.values():
            breaker = self._breaker(model)
            # A spare is no trial: it will hardly ever be asked.
            if not breaker.is_open if models else breaker.lets_through():
                models.append(model)
        if not models:
            first = next(iter(order.values()))
            seconds = min(self._breaker(model).seconds_to_trial for model in order.values())
            raise ModelAway(
                f"{first.name} is left alone for {seconds:.0f} s more",
                again_in_seconds=seconds,
            )
        return models

    def answered(self, model: ChatModel) -> None:
        """The model has begun to answer."""
        breaker = self._breaker(model)
        if breaker.is_open:
            logger.info("%s answers again", model.name)
        breaker.succeeded()
        self._tell_watchers()

    def failed(self, model: ChatModel, error: ChatModelError) -> None:
        """The model has failed; an error that is no fault of the provider's shows that it lives."""
        if not error.is_away:
            self.answered(model)
            return
        breaker = self._breaker(model)
        was_open = breaker.is_open
        breaker.failed(wait_seconds=getattr(error, "retry_after_seconds", None) or 0.0)
        if breaker.is_open and not was_open:
            logger.warning("%s is left alone for a while: %s", model.name, error)
        self._tell_watchers()

    def notice(self) -> str:
        """The words of a banner, in the language of whoever reads them; "" while all is well."""
        kind = self._kind_of_notice()
        if kind == "quotes":
            return _(
                "The tutor's model does not answer at the moment. "
                "Until it does, the tutor answers with sentences of the course."
            )
        if kind == "fallback":
            return _(
                "The tutor's model does not answer at the moment. "
                "Until it does, another model answers."
            )
        if kind == "away":
            return _(
                "The tutor's model does not answer at the moment. "
                "It is tried again by itself; the course is there to read meanwhile."
            )
        return ""

    def _kind_of_notice(self) -> str:
        if not self._breaker(self.model).is_open:
            return ""
        if self.fallback is None or self._breaker(self.fallback).is_open:
            return "away"
        return "quotes" if self.fallback.quotes_only else "fallback"

    def _tell_watchers(self) -> None:
        with self._lock:
            kind = self._kind_of_notice()
            if kind == self._notice:
                return
            self._notice = kind
        for watcher in list(_watchers):
            watcher()

    def _breaker(self, model: ChatModel) -> Breaker:
        place = _place(model)
        if breaker := self._breakers.get(place):
            return breaker
        with self._lock:
            breaker = self._others.pop(place, None) or self._new()
            self._others[place] = breaker
            if len(self._others) > MOST_OTHER_MODELS:
                self._others.popitem(last=False)
            return breaker

    def _new(self) -> Breaker:
        return Breaker(
            failures=self._tutor["FAILURES_BEFORE_PAUSE"],
            pause_seconds=self._tutor["PAUSE_SECONDS"],
            longest_pause_seconds=self._tutor["LONGEST_PAUSE_SECONDS"],
            clock=self._clock,
        )


def _place(model: ChatModel) -> Place:
    return model.name, model.address


@functools.cache
def get_availability() -> Availability:
    """Return the one of this process, for the models of the settings."""
    return Availability(get_chat_model(), get_fallback_model(), tutor=settings.TUTOR)


def models_to_ask(name: str = "") -> list[ChatModel]:
    """The same, for a course with a model of its own or, with "", of the site's."""
    return get_availability().models_to_ask(model_named(name))


def answered(model: ChatModel) -> None:
    get_availability().answered(model)


def failed(model: ChatModel, error: ChatModelError) -> None:
    get_availability().failed(model, error)


def notice() -> str:
    return get_availability().notice()


def on_change(watcher: Callable[[], None]) -> None:
    """Call `watcher` whenever the notice changes, in the thread that has found it out."""
    _watchers.append(watcher)
