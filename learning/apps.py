from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LearningConfig(AppConfig):
    name = "learning"
    verbose_name = _("Teaching")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        # They listen to what is saved and deleted; and the system checks are registered.
        from learning import chapter_changes, chapter_images, checks, leaving, privacy  # noqa: F401
