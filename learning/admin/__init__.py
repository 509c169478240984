"""The admin for those who look after courses: what students read, asked and were told."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from learning import import_admin, study_admin, study_item_admin
from learning.admin import conversations, courses, people

__all__ = ["conversations", "courses", "import_admin", "people", "study_admin", "study_item_admin"]

admin.site.index_title = _("Overview")
