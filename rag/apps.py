from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RagConfig(AppConfig):
    name = "rag"
    verbose_name = _("Search")

    def ready(self) -> None:
        from rag import checks  # noqa: F401  (registers the system checks)
