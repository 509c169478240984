"""The admin's list of what was made of courses; decided on and edited in the review."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin

from learning.artefacts import review
from learning.artefacts.review import Queue
from learning.models import ItemPassage, StudyItem
from learning.own_courses import OfOwnCourses, OwnCoursesFilter
from learning.views import review as review_pages


@admin.register(StudyItem)
class StudyItemAdmin(OfOwnCourses, ModelAdmin):
    intro = gettext_lazy(
        "What was made of the courses: terms, concepts, relations and questions. Students see what "
        "is approved. The weight says how much a course speaks of it."
    )
    list_display = (
        "words",
        "kind",
        "course",
        "chapters",
        "status",
        "weight_shown",
        "edited",
        "review_link",
    )
    list_filter = ("kind", "status", ("course", OwnCoursesFilter), "is_edited")
    list_select_related = ("course", "source", "target")
    list_per_page = 50
    search_fields = ("content__name", "content__text", "passages__form")
    actions = ("approve", "reject")

    def get_urls(self):
        pages = (
            ("review/", "review", review_pages.review),
            ("review/all/", "review_all", review_pages.approve_all),
            ("review/<int:item_id>/edit/", "review_edit", review_pages.edit),
        )
        return [
            *(
                path(
                    address,
                    self.admin_site.admin_view(view),
                    {"model_admin": self},
                    name=f"learning_studyitem_{name}",
                )
                for address, name, view in pages
            ),
            *super().get_urls(),
        ]

    def has_add_permission(self, request):
        return False

    def get_queryset(self, request):
        # Of the chapters of a page's items: not their texts, and no quotes.
        passages = ItemPassage.objects.select_related("chapter").only("item_id", "chapter__title")
        return super().get_queryset(request).prefetch_related(Prefetch("passages", passages))

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """Go to the review, where an item stands beside its passages."""
        item = self.get_object(request, object_id)
        if item is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, item):
            raise PermissionDenied
        return HttpResponseRedirect(_review_of(item))

    @admin.display(description=gettext_lazy("item"))
    def words(self, item):
        return review.in_a_line(item, most=120)

    @admin.display(description=gettext_lazy("chapters"))
    def chapters(self, item):
        titles = dict.fromkeys(passage.chapter.title for passage in item.passages.all())
        return _(", ").join(list(titles)[:3]) + (" …" if len(titles) > 3 else "") or "–"

    @admin.display(description=gettext_lazy("weight"), ordering="weight")
    def weight_shown(self, item):
        return f"{item.weight:.1f}"

    @admin.display(description=gettext_lazy("edited"), ordering="is_edited")
    def edited(self, item):
        return _("yes") if item.is_edited else "–"

    @admin.display(description=gettext_lazy("review"))
    def review_link(self, item):
        return format_html('<a href="{}">{}</a>', _review_of(item), _("review"))

    @admin.action(description=gettext_lazy("Approve"), permissions=["change"])
    def approve(self, request, queryset):
        asked = queryset.count()
        done = review.decide_many(queryset, StudyItem.Status.APPROVED, by=request.user)
        if done:
            words = ngettext("%d item is approved.", "%d items are approved.", done) % done
            messages.success(request, words)
        if done < asked:
            left = asked - done
            words = ngettext(
                "%d item stands on no passage of the course, and is not approved.",
                "%d items stand on no passage of the course, and are not approved.",
                left,
            )
            messages.warning(request, words % left)

    @admin.action(description=gettext_lazy("Reject"), permissions=["change"])
    def reject(self, request, queryset):
        done = review.decide_many(queryset, StudyItem.Status.REJECTED, by=request.user)
        words = ngettext("%d item is rejected.", "%d items are rejected.", done) % done
        messages.success(request, words)


def _review_of(item: StudyItem) -> str:
    return review_pages.address(Queue(item.course_id, item.kind, item.status), item.pk)
