"""Ask for a word cloud, a graph or a quiz on the admin's pages of courses and chapters.

What a page says of what was made comes from two functions, which the list of jobs uses too:

    counts = counted(course=course)           of each kind of item, how many wait, are approved
    ways_on(course, Kind.QUIZ, counts)        links to the review, and to the students' page
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Subquery
from django.forms import Script
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from learning.artefacts import requesting
from learning.artefacts.review import Queue
from learning.models import Chapter, Course, ItemPassage, StudyArtefact, StudyItem
from learning.views.review import address

JOB_LIST = "admin:learning_studyartefact_changelist"
ITEM_KINDS = {
    StudyArtefact.Kind.WORDCLOUD: (StudyItem.Kind.TERM,),
    StudyArtefact.Kind.KNOWLEDGE_GRAPH: (StudyItem.Kind.CONCEPT, StudyItem.Kind.RELATION),
    StudyArtefact.Kind.QUIZ: (StudyItem.Kind.QUESTION,),
}
STUDENTS_PAGES = {
    StudyArtefact.Kind.WORDCLOUD: "course_words",
    StudyArtefact.Kind.KNOWLEDGE_GRAPH: "course_graph",
    StudyArtefact.Kind.QUIZ: "course_quiz",
}
Status = StudyItem.Status
# (course, kind of item, status) → how many
Counts = Counter[tuple[int, str, str]]


class MakesStudy:
    """For the admin of courses and of chapters: buttons on a page, actions on a list."""

    actions = ("make_wordcloud", "make_knowledge_graph", "make_quiz")
    change_form_outer_before_template = "admin/learning/study_panel.html"

    class Media:
        css = {"all": ["learning/review.css"]}
        js = [Script("learning/study_panel.js", type="module")]

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
        made, bare = [], []
        for about in of:
            course, chapter = (about.course, about) if isinstance(about, Chapter) else (about, None)
            if _has_text(about):
                options |= {"chapter": chapter, "by": request.user}
                made.append(requesting.request(course, kind, **options))
            else:
                bare.append(about)
        if bare:
            titles = _(", ").join(_("“%(title)s”") % {"title": about} for about in bare)
            words = _("%(titles)s: there is no text yet, so nothing can be made of it.")
            messages.error(request, words % {"titles": titles})
        if made:
            messages.success(request, _queued(made))
        mine = f"admin:learning_{self.opts.model_name}"
        if not made and len(bare) == 1:
            return HttpResponseRedirect(reverse(f"{mine}_change", args=[bare[0].pk]))
        if not made or not request.user.has_perm("learning.view_studyartefact"):
            return HttpResponseRedirect(reverse(f"{mine}_changelist"))
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


@dataclass(frozen=True, slots=True)
class Way:
    """A link to what was made: `words` say what it is and how many."""

    words: str
    url: str


def counted(**of) -> Counts:
    """Count the items of these courses, or of a chapter: those that stand on it."""
    rows = StudyItem.objects.filter(**of).order_by().values_list("course", "kind", "status")
    return Counter({tuple(row): count for *row, count in rows.annotate(Count("pk"))})


def ways_on(
    course: Course, kind: str, counts: Counts, *, chapter: Chapter | None = None
) -> list[Way]:
    """Return where staff go on once a job of this kind is done.

    To the review, as long as anything waits there; then to where students see it.
    """
    return _reviews(course, kind, counts) or _approved(course, kind, counts, chapter)


def _reviews(course: Course, kind: str, counts: Counts) -> list[Way]:
    words = _("review %(count)s (%(name)s)")
    return [
        Way(words % {"count": count, "name": name}, address(Queue(course.pk, item_kind)))
        for item_kind, name, count in _by_kind(course, kind, counts, Status.PENDING)
    ]


def _waiting(course: Course, kind: str, counts: Counts, chapter: Chapter) -> list[Way]:
    """The same for what stands on one chapter: the review goes through the whole course."""
    words = _("%(count)s waiting (%(name)s)")
    standing = ItemPassage.objects.filter(chapter=chapter).values("item")
    ways = []
    for item_kind, name, count in _by_kind(course, kind, counts, Status.PENDING):
        queue = Queue(course.pk, item_kind)
        first = queue.items().filter(pk__in=standing).first()
        url = address(queue, first and first.pk)
        ways.append(Way(words % {"count": count, "name": name}, url))
    return ways


def _approved(course: Course, kind: str, counts: Counts, chapter: Chapter | None) -> list[Way]:
    page = reverse(STUDENTS_PAGES[kind], args=[course.slug])
    if chapter is not None and kind != StudyArtefact.Kind.QUIZ:
        page = f"{page}?{urlencode({'chapter': chapter.slug})}"
    words = _("%(count)s approved (%(name)s)")
    return [
        Way(words % {"count": count, "name": name}, page)
        for _kind, name, count in _by_kind(course, kind, counts, Status.APPROVED)
    ]


def _by_kind(
    course: Course, kind: str, counts: Counts, status: str
) -> Iterable[tuple[str, str, int]]:
    for item_kind in ITEM_KINDS[kind]:
        if count := counts[course.pk, item_kind, status]:
            yield item_kind, item_kind.label, count


def _panel(request, about: Course | Chapter) -> dict:
    """What the page of a course, or of a chapter, says of what was made of it."""
    is_course = isinstance(about, Course)
    course, chapter = (about, None) if is_course else (about.course, about)
    made = about.artefacts.filter(chapter=chapter).order_by("-created_at")
    last = {kind: made.filter(kind=kind).first() for kind in StudyArtefact.Kind}
    counts = Counts()
    if request.user.has_perm("learning.view_studyitem"):
        stand = ItemPassage.objects.filter(chapter=chapter).values("item")
        counts = counted(course=course) if is_course else counted(course=course, pk__in=stand)
    return {
        "is_course": is_course,
        "course": course,
        "may_leave_alone": is_course and any(job and job.chapters_done for job in last.values()),
        "kinds": [
            {
                "kind": kind,
                "last": last[kind],
                "ways": [
                    *(
                        _reviews(course, kind, counts)
                        if is_course
                        else _waiting(course, kind, counts, chapter)
                    ),
                    *_approved(course, kind, counts, chapter),
                ],
            }
            for kind in StudyArtefact.Kind
        ],
    }


def _has_text(about: Course | Chapter) -> bool:
    if isinstance(about, Chapter):
        return bool(about.text)
    return about.chapters.exclude(text="").exists()


def _queued(made: list[StudyArtefact]) -> str:
    if len(made) == 1:
        return _("In the queue: %(job)s.") % {"job": made[0]}
    words = ngettext("%d job is in the queue.", "%d jobs are in the queue.", len(made))
    return words % len(made)
