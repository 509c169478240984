"""Ask for a word cloud, a graph or a quiz on the admin's pages of courses and chapters."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Subquery
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from learning.artefacts import jobs
from learning.artefacts.review import Queue
from learning.models import Chapter, Course, StudyArtefact, StudyItem
from learning.views.review import address

JOB_LIST = "admin:learning_studyartefact_changelist"
ITEM_KINDS = {
    StudyArtefact.Kind.WORDCLOUD: (StudyItem.Kind.TERM,),
    StudyArtefact.Kind.KNOWLEDGE_GRAPH: (StudyItem.Kind.CONCEPT, StudyItem.Kind.RELATION),
    StudyArtefact.Kind.QUIZ: (StudyItem.Kind.QUESTION,),
}


class MakesStudy:
    """For the admin of courses and of chapters: buttons on a page, actions on a list."""

    actions = ("make_wordcloud", "make_knowledge_graph", "make_quiz")
    change_form_outer_before_template = "admin/learning/study_panel.html"

    class Media:
        css = {"all": ["learning/review.css"]}

    def get_urls(self):
        name = f"{self.opts.app_label}_{self.opts.model_name}_generate"
        view = self.admin_site.admin_view(self.generate_view)
        return [path("<int:object_id>/generate/", view, name=name), *super().get_urls()]

    def has_generate_permission(self, request) -> bool:
        return request.user.has_perm("learning.add_studyartefact")

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        extra = dict(extra_context or {})
        about = self.get_object(request, object_id) if object_id else None
        if about is not None:
            extra["study"] = _panel(request, about)
            extra["generate_url"] = reverse(
                f"admin:{self.opts.app_label}_{self.opts.model_name}_generate", args=[about.pk]
            )
        return super().changeform_view(request, object_id, form_url, extra)

    def generate_view(self, request, object_id):
        """Queue one job, asked for by POST alone."""
        about = self.get_object(request, str(object_id))
        is_allowed = self.has_view_permission(request, about)
        if not (is_allowed and self.has_generate_permission(request)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        kind = request.POST.get("kind", "")
        if about is None or kind not in StudyArtefact.Kind.values:
            raise Http404
        only_changed = isinstance(about, Course) and "only_changed" in request.POST
        return self._generate(request, [about], kind, only_changed=only_changed)

    @admin.action(description=gettext_lazy("Make a word cloud"), permissions=["generate"])
    def make_wordcloud(self, request, queryset):
        return self._generate(request, queryset, StudyArtefact.Kind.WORDCLOUD)

    @admin.action(description=gettext_lazy("Make a knowledge graph"), permissions=["generate"])
    def make_knowledge_graph(self, request, queryset):
        return self._generate(request, queryset, StudyArtefact.Kind.KNOWLEDGE_GRAPH)

    @admin.action(description=gettext_lazy("Make a quiz"), permissions=["generate"])
    def make_quiz(self, request, queryset):
        return self._generate(request, queryset, StudyArtefact.Kind.QUIZ)

    def _generate(self, request, of, kind, **options) -> HttpResponseRedirect:
        made = []
        for about in of:
            course, chapter = (about.course, about) if isinstance(about, Chapter) else (about, None)
            made.append(jobs.request(course, kind, chapter=chapter, by=request.user, **options))
        if len(made) == 1:
            words = _("In the queue: %(job)s.") % {"job": made[0]}
        else:
            words = ngettext(
                "%d job is in the queue.", "%d jobs are in the queue.", len(made)
            ) % len(made)
        messages.success(request, words)
        if not request.user.has_perm("learning.view_studyartefact"):
            return HttpResponseRedirect(
                reverse(f"admin:learning_{self.opts.model_name}_changelist")
            )
        return HttpResponseRedirect(reverse(JOB_LIST))


class CountsWaiting:
    """For the list of courses: how many items wait for review, and the way to them."""

    def get_queryset(self, request):
        # Not joined: it would multiply with the chapters and students that the list counts too.
        waiting = StudyItem.objects.filter(course=OuterRef("pk"), status=StudyItem.Status.PENDING)
        counted = waiting.order_by().values("course").annotate(count=Count("pk")).values("count")
        return super().get_queryset(request).annotate(_waiting=Subquery(counted))

    def get_list_display(self, request):
        shown = super().get_list_display(request)
        may_review = request.user.has_perm("learning.view_studyitem")
        return [*shown, "waiting_count"] if may_review else shown

    @admin.display(description=gettext_lazy("to review"), ordering="_waiting")
    def waiting_count(self, course):
        if not course._waiting:
            return "–"
        return format_html('<a href="{}">{}</a>', address(Queue(course.pk)), course._waiting)


def _panel(request, about: Course | Chapter) -> dict:
    """What the page of a course, or of a chapter, says of what was made of it."""
    is_course = isinstance(about, Course)
    made = StudyArtefact.objects.filter(
        **({"course": about, "chapter": None} if is_course else {"chapter": about})
    )
    waiting = {}
    if is_course and request.user.has_perm("learning.view_studyitem"):
        items = StudyItem.objects.filter(course=about, status=StudyItem.Status.PENDING)
        waiting = dict(items.order_by().values_list("kind").annotate(Count("pk")))
    return {
        "is_course": is_course,
        "course": about if is_course else about.course,
        "kinds": [
            {
                "kind": kind,
                "last": made.filter(kind=kind).order_by("-created_at").first(),
                "waiting": [
                    (
                        StudyItem.Kind(item_kind).label,
                        waiting[item_kind],
                        _review_of(about, item_kind),
                    )
                    for item_kind in ITEM_KINDS[kind]
                    if item_kind in waiting
                ],
            }
            for kind in StudyArtefact.Kind
        ],
    }


def _review_of(course: Course, item_kind: str) -> str:
    return address(Queue(course.pk, item_kind))
