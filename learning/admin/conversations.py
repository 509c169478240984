"""Conversations and their messages in the admin."""

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, OuterRef, Q
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from learning.links import trace_links, trace_search
from learning.models import Citation, Conversation, Message
from learning.own_courses import OfOwnCourses, OwnCoursesFilter, ShowsTraces
from learning.templatetags.learning_answers import said


class CountedOnce(ChangeList):
    """The theme shows both counts of a list where they differ; the full one is not made."""

    def get_results(self, request):
        super().get_results(request)
        self.full_result_count = self.result_count


class ReadOnly:
    """What students wrote and were told is looked at, never changed."""

    show_full_result_count = False

    def get_changelist(self, request, **kwargs):
        return CountedOnce

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False


class MessageInline(ShowsTraces, ReadOnly, TabularInline):
    model = Message
    fields = ("role", "words", "status", "trace")
    readonly_fields = fields
    can_delete = False
    extra = 0
    hide_title = True  # the text is there
    ordering = ("created_at",)

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("conversation__course")

    @admin.display(description=_("text"))
    def words(self, message):
        return said(message)

    @admin.display(description=_("trace"))
    def trace(self, message):
        return trace_links(message.trace_id)


@admin.register(Conversation)
class ConversationAdmin(ShowsTraces, OfOwnCourses, ReadOnly, ModelAdmin):
    list_display = ("title_or_new", "user", "course", "question_count", "updated_at", "trace")
    list_filter = (("course", OwnCoursesFilter),)
    search_fields = ("=id", "title", "user__username")
    fields = ("title", "user", "course", "chapter", "created_at", "updated_at", "traces")
    readonly_fields = fields
    inlines = (MessageInline,)
    view_on_site = False  # its student alone opens it there

    def get_queryset(self, request):
        newest = Message.objects.exclude(trace_id="").order_by("-created_at")
        return (
            super()
            .get_queryset(request)
            .select_related("user", "course", "chapter")
            .annotate(
                _questions=Count("messages", filter=Q(messages__role=Message.Role.USER)),
                _trace_id=newest.filter(conversation=OuterRef("pk")).values("trace_id")[:1],
            )
        )

    @admin.display(description=_("conversation"), ordering="title")
    def title_or_new(self, conversation):
        return str(conversation)

    @admin.display(description=_("questions"), ordering="_questions")
    def question_count(self, conversation):
        return conversation._questions

    @admin.display(description=_("newest trace"))
    def trace(self, conversation):
        return trace_links(conversation._trace_id or "")

    @admin.display(description=_("traces"))
    def traces(self, conversation):
        return trace_search(conversation.pk, _("all its traces"))


class CitationInline(ReadOnly, TabularInline):
    model = Citation
    fields = ("number", "title", "quote", "score", "cited")
    readonly_fields = fields
    can_delete = False
    extra = 0
    hide_title = True

    # In words: the theme's red cross says that something is wrong.
    @admin.display(description=_("cited"))
    def cited(self, citation):
        return _("yes") if citation.is_cited else "–"


@admin.register(Message)
class MessageAdmin(ShowsTraces, OfOwnCourses, ReadOnly, ModelAdmin):
    course_lookup = "conversation__course"

    def has_delete_permission(self, request, obj=None):
        # One by one they would leave a conversation with holes; it goes as a whole, or not.
        here = request.resolver_match.url_name or ""
        is_alone = here.startswith("learning_message_")
        return not is_alone and super().has_delete_permission(request, obj)

    list_display = (
        "preview",
        "role",
        "status",
        "student",
        "course",
        "tokens",
        "created_at",
        "trace",
    )
    list_filter = (
        "role",
        "status",
        "is_weakly_sourced",
        ("conversation__course", OwnCoursesFilter),
    )
    search_fields = ("=id", "=trace_id", "text")
    fields = (
        "conversation",
        "role",
        "words",
        "status",
        "error",
        "weak_sources",
        "model",
        "tokens",
        "created_at",
        "finished_at",
        "trace",
    )
    readonly_fields = fields
    inlines = (CitationInline,)
    ordering = ("-created_at",)

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .select_related("conversation__user", "conversation__course")
        )

    @admin.display(description=_("text"))
    def preview(self, message):
        return Truncator(" ".join(message.text[:400].split())).chars(80) or "–"

    @admin.display(description=_("text"))
    def words(self, message):
        return said(message)

    @admin.display(description=_("weak sources"))
    def weak_sources(self, message):
        return _("yes") if message.is_weakly_sourced else "–"

    @admin.display(description=_("student"))
    def student(self, message):
        return message.conversation.user

    @admin.display(description=_("course"))
    def course(self, message):
        return message.conversation.course

    @admin.display(description=_("tokens"))
    def tokens(self, message):
        if message.input_tokens is None:
            return "–"
        return f"{message.input_tokens} → {message.output_tokens or 0}"

    @admin.display(description=_("trace"))
    def trace(self, message):
        return trace_links(message.trace_id)
