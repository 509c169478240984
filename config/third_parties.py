"""Apps of others, by names that mean something to staff: the admin shows them."""

from axes.apps import AppConfig
from django.utils.translation import gettext_lazy as _
from django_tasks_db.apps import TasksAppConfig


class Axes(AppConfig):
    verbose_name = _("Failed log-ins")


class TasksDatabase(TasksAppConfig):
    verbose_name = _("Background jobs")
