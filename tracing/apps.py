from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TracingConfig(AppConfig):
    name = "tracing"
    verbose_name = _("Tracing")  # the models say "traces"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from tracing import checks  # noqa: F401 - registers itself
