"""One line a log record, with the trace it belongs to: text on a terminal, JSON elsewhere."""

import sys

import structlog

from config.masking import mask_line
from tracing import current_trace

# Of what a record carries along; Django's own extras hold the request with its query.
FIELDS = ("trace_id", "conversation", "method", "path", "status", "seconds", "tokens")


def trace_id(logger, method_name, event):
    """Add the id of the running trace, so that a log line leads to it."""
    trace = current_trace()
    if trace is not None:
        event["trace_id"] = trace.id
    return event


def masked(logger, method_name, line: str) -> str:
    """Hide what is secret, last of all: in the whole line, whatever has put it there."""
    return mask_line(line)


def formatter() -> structlog.stdlib.ProcessorFormatter:
    """Return the formatter that settings.LOGGING names."""
    # Plain tracebacks: the prettier ones show local variables, keys and questions among them.
    render = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    if not sys.stderr.isatty():
        to_json = structlog.processors.JSONRenderer(ensure_ascii=False)
        render = [structlog.processors.format_exc_info, to_json]
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render, masked],
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ExtraAdder(allow=FIELDS),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            trace_id,
        ],
    )
