"""Who and which session a trace belongs to, carried by a context variable the middlewares set."""

import hashlib
import hmac
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from django.conf import settings

from tracing import conf


@dataclass(frozen=True, slots=True)
class Attribution:
    user_id: str = ""
    session_id: str = ""
    request_id: str = ""


NOBODY = Attribution()
_attribution: ContextVar[Attribution] = ContextVar("tracing_attribution", default=NOBODY)


def current() -> Attribution:
    return _attribution.get()


@contextmanager
def attributed(**who: str):
    """Attribute every trace opened in this block: `user_id`, `session_id`, `request_id`."""
    token = _attribution.set(replace(_attribution.get(), **who))
    try:
        yield
    finally:
        _attribution.reset(token)


def pseudonym(user) -> str:
    """Return the id that a user's traces carry: stable, and no name. "" for nobody.

    With TRACING["USER_ID"] = "nickname" it is the user name, for development.
    """
    if user is None or not user.is_authenticated:
        return ""
    if conf.get("USER_ID") == "nickname":
        return user.get_username()
    digest = hmac.new(
        settings.SECRET_KEY.encode(), f"trace-user:{user.pk}".encode(), hashlib.sha256
    )
    return f"u_{digest.hexdigest()[:20]}"
