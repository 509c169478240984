"""Settings that cannot work, said at start."""

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from tracing import conf, prices

KEYS = ("LANGFUSE_HOST", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")


@checks.register("tracing")
def check_settings(app_configs, **kwargs):
    problems = []
    for name in sorted(set(getattr(settings, "TRACING", {})) - set(conf.DEFAULTS)):
        problems.append(
            checks.Error(
                f"TRACING has no setting {name!r}.",
                hint=f"It knows {', '.join(conf.DEFAULTS)}.",
                id="tracing.E001",
            )
        )
    for name in ("EXPORTER", "RECORDER", "MASK", "SESSION_URL"):
        path = conf.get(name)
        try:
            import_string(path) if path else None
        except ImportError as error:
            problems.append(
                checks.Error(
                    f"TRACING[{name!r}] names {path!r}, which cannot be imported: {error}.",
                    hint="Give the dotted path of a class or function.",
                    id="tracing.E002",
                )
            )
    problems += _malformed_prices(conf.get("PRICES"))
    given = [key for key in KEYS if conf.get(key)]
    if given and len(given) < len(KEYS):
        missing = ", ".join(key for key in KEYS if key not in given)
        problems.append(
            checks.Warning(
                f"Traces stay here: {' and '.join(given)} is set, but not {missing}.",
                hint="Set all three to send copies to Langfuse, or none.",
                id="tracing.W001",
            )
        )
    return problems


def _malformed_prices(table) -> list[checks.Error]:
    hint = "Give a list such as [('glm-4*', 0.6, 2.2), …]: dollars per million tokens in and out."
    if not isinstance(table, list | tuple):
        wrong = [f"TRACING['PRICES'] is no list: {table!r}."]
    else:
        wrong = [
            f"TRACING['PRICES'] holds {entry!r}: {problem}."
            for entry in table
            if (problem := prices.problem_with(entry))
        ]
    return [checks.Error(message, hint=hint, id="tracing.E003") for message in wrong]
