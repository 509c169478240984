from contextlib import suppress

from django.apps import AppConfig
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class TracingConfig(AppConfig):
    name = "tracing"
    verbose_name = _("Tracing")  # the models say "traces"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from tracing import checks, conf  # noqa: F401 - the checks register themselves

        # Now, while there is one thread: a child forked in the middle of an import never gets to
        # its end, and others find half a module (see exporters/langfuse). A path that cannot be
        # imported is told by the checks.
        for name in ("MASK", "RECORDER", "EXPORTER"):
            with suppress(ImportError):
                import_string(conf.get(name) or "")
