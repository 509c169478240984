"""The settings of this app: `TRACING` in Django's settings over these defaults."""

from typing import Any

from django.conf import settings

DEFAULTS: dict[str, Any] = {
    # Where copies of the rows go; None keeps them local. A dotted path.
    "EXPORTER": None,
    # What writes the rows. A dotted path.
    "RECORDER": "tracing.thread_recorder.ThreadRecorder",
    # Every piece of text passes through it before it is stored. A dotted path: str → str.
    "MASK": "tracing.masking.mask_secrets",
    "CAPTURE_CONTENT": True,
    # What one field (an input, an output, the metadata) may take, in bytes of ASCII-escaped JSON.
    # Langfuse throws away the largest field of an event above 1 MB.
    "MAX_FIELD_BYTES": 300_000,
    # "id": a stable pseudonym; "nickname": the user name, for development.
    "USER_ID": "id",
    "RELEASE": "",
    # The prefix of the tag that traces are grouped by: "course" for tags like "course:calculus".
    "GROUP_TAG": "",
    "GROUP_LABEL": "group",  # what people call it
    # The score that is a person's thumb: 1 up, 0 down.
    "FEEDBACK_SCORE": "user_feedback",
    # Prices in US dollars per million tokens, by pattern of the model's name; the first that
    # matches counts: [("glm-4*", 0.6, 2.2), …]. An own table goes before PRICES of prices.py.
    "PRICES": [],
    # Dotted path of a function: session id, user → address of its page here, or "".
    "SESSION_URL": None,
    "ADMIN_BASE": "django.contrib.admin.ModelAdmin",
    # How long a thread of this app may keep the interpreter while another (an event loop) wants it:
    # lowers sys.setswitchinterval for the process. None leaves the interpreter's 5 ms.
    "SWITCH_INTERVAL_SECONDS": 0.0001,
    "RETENTION_DAYS": 0,
    "LANGFUSE_HOST": "",
    "LANGFUSE_PUBLIC_KEY": "",
    "LANGFUSE_SECRET_KEY": "",
    "LANGFUSE_PUBLIC_URL": "",
    "LANGFUSE_PROJECT_ID": "",
    "LANGFUSE_TIMEOUT_SECONDS": 10,
    # True in tests: a fault inside tracing is raised. False: it is logged and the caller goes on.
    "RAISE_ERRORS": False,
}


def get(name: str) -> Any:
    """Return one setting."""
    return getattr(settings, "TRACING", {}).get(name, DEFAULTS[name])
