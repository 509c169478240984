"""The admin for those who look after courses: what students read, asked and were told."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, OuterRef, Q
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from learning import study_admin, study_item_admin  # noqa: F401 - register themselves
from learning.chapter_preview import Previews
from learning.course_desk import HasDesk
from learning.links import trace_links
from learning.models import Chapter, Citation, Conversation, Course, Enrolment, Message, User
from learning.own_courses import OfOwnCourses, OwnCoursesFilter, ShowsTraces
from learning.roles import ROLES, TEACHER, looks_after_all, students_of
from learning.study_panel import CountsWaiting, MakesStudy
from learning.tasks import reindex_soon
from learning.views.quiz_results import quiz_results
from tracing import pseudonym


def trace_search(wanted, words):
    """Link to the list of the traces of one user or one conversation."""
    url = reverse("admin:tracing_tracerecord_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode({"q": wanted}), words)


class ReadOnly:
    """What students wrote and were told is looked at, never changed."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False


admin.site.unregister(Group)


class GivesRights:
    """Rights are given by superusers alone: who may edit users must not make themselves one."""

    def has_add_permission(self, request):
        return request.user.is_superuser and super().has_add_permission(request)

    def has_change_permission(self, request, obj=None):
        return request.user.is_superuser and super().has_change_permission(request, obj)

    def has_delete_permission(self, request, obj=None):
        return request.user.is_superuser and super().has_delete_permission(request, obj)


@admin.register(Group)
class GroupAdmin(GivesRights, DjangoGroupAdmin, ModelAdmin):
    # Under another name a role is none: its teachers would look after every course.
    def get_readonly_fields(self, request, obj=None):
        fields = super().get_readonly_fields(request, obj)
        return (*fields, "name") if obj is not None and obj.name in ROLES else fields

    def has_delete_permission(self, request, obj=None):
        is_role = obj is not None and obj.name in ROLES
        return not is_role and super().has_delete_permission(request, obj)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    readonly_fields = ("traces",)

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if looks_after_all(request.user):
            return rows
        return rows.filter(pk__in=students_of(request.user).values("pk"))

    def get_list_filter(self, request):
        # What roles there are is nothing to a teacher.
        return super().get_list_filter(request) if looks_after_all(request.user) else ()

    def get_readonly_fields(self, request, obj=None):
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return (*fields, "is_staff", "is_superuser", "groups", "user_permissions")

    def has_change_permission(self, request, obj=None):
        return self._may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request, obj=None):
        return self._may_touch(request, obj) and super().has_delete_permission(request, obj)

    @staticmethod
    def _may_touch(request, user) -> bool:
        """Whoever sets another's password can act as them: for staff only a superuser does."""
        return request.user.is_superuser or user is None or not user.is_staff

    def get_fieldsets(self, request, obj=None):
        # Who a pseudonym belongs to is told only to those who may look at traces.
        shown = super().get_fieldsets(request, obj)
        if obj is not None and not looks_after_all(request.user):
            names = ("username", "first_name", "last_name", "email")
            shown = ((None, {"fields": names}),)
        if obj is None or not request.user.has_perm("tracing.view_tracerecord"):
            return shown
        return (*shown, (_("Traces"), {"fields": ("traces",)}))

    @admin.display(description=_("traces"))
    def traces(self, user):
        return trace_search(pseudonym(user), _("traces of this user"))


class ChapterInline(OfOwnCourses, TabularInline):
    model = Chapter
    fields = ("position", "title", "slug", "published_at")
    extra = 0
    show_change_link = True
    tab = True


class EnrolmentInline(OfOwnCourses, TabularInline):
    model = Enrolment
    autocomplete_fields = ("user",)
    extra = 0
    tab = True


class Reindexing:
    """What changes the text of a course has its search index brought in line, behind the page."""

    course_slug: str  # the field, or the lookup, of the course's slug

    def save_model(self, request, obj, form, change):
        before = self.slugs(self.model.objects.filter(pk=obj.pk))
        super().save_model(request, obj, form, change)
        after = self.slugs(self.model.objects.filter(pk=obj.pk))
        self.reindex(before - after)  # a chapter has moved, or a course has got another address

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        self.reindex(self.slugs(self.model.objects.filter(pk=form.instance.pk)))

    def delete_model(self, request, obj):
        self.delete_queryset(request, self.model.objects.filter(pk=obj.pk))

    def delete_queryset(self, request, queryset):
        slugs = self.slugs(queryset)
        super().delete_queryset(request, queryset)
        self.reindex(slugs)

    def slugs(self, queryset) -> set[str]:
        return set(queryset.order_by().values_list(self.course_slug, flat=True))

    def reindex(self, slugs: set[str]) -> None:
        for slug in slugs:
            reindex_soon(slug)


@admin.register(Course)
class CourseAdmin(OfOwnCourses, HasDesk, MakesStudy, CountsWaiting, Reindexing, ModelAdmin):
    course_lookup = "pk"
    course_slug = "slug"
    list_display = ("title", "slug", "language", "is_open", "chapter_count", "student_count")
    list_filter = ("language", "is_open")
    search_fields = ("title", "slug")
    ordering = ("title",)  # of its own: counting takes the model's away
    prepopulated_fields = {"slug": ("title",)}
    exclude = ("enrolment_key",)  # made by the page that enrols
    inlines = (ChapterInline, EnrolmentInline)

    def get_urls(self):
        view = self.admin_site.admin_view(quiz_results)
        name = "learning_course_quiz_results"
        return [path("<int:course_id>/quiz-results/", view, name=name), *super().get_urls()]

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .annotate(
                _chapters=Count("chapters", distinct=True),
                _students=Count("enrolments", distinct=True),
            )
        )

    def get_exclude(self, request, obj=None):
        # Who is a teacher of a course is a right, which a teacher does not give.
        left_out = () if looks_after_all(request.user) else ("teachers",)
        return (*(super().get_exclude(request, obj) or ()), *left_out)

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        if db_field.name == "teachers":
            kwargs["queryset"] = User.objects.filter(is_staff=True, groups__name=TEACHER)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        if not change and not looks_after_all(request.user):
            form.instance.teachers.add(request.user)  # or it would be nobody's

    @admin.display(description=_("chapters"), ordering="_chapters")
    def chapter_count(self, course):
        return course._chapters

    @admin.display(description=_("students"), ordering="_students")
    def student_count(self, course):
        return course._students


@admin.register(Chapter)
class ChapterAdmin(OfOwnCourses, Previews, MakesStudy, Reindexing, ModelAdmin):
    course_slug = "course__slug"
    list_display = ("title", "course", "position", "published_at", "updated_at")
    list_filter = (("course", OwnCoursesFilter),)
    ordering = ("course__title", "position", "pk")
    search_fields = ("title", "slug")
    readonly_fields = ("source_path", "created_at", "updated_at")
    prepopulated_fields = {"slug": ("title",)}

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("course")


@admin.register(Enrolment)
class EnrolmentAdmin(OfOwnCourses, ModelAdmin):
    list_display = ("user", "course", "created_at")
    list_filter = (("course", OwnCoursesFilter),)
    autocomplete_fields = ("user", "course")
    search_fields = ("user__username", "user__email")


class MessageInline(ShowsTraces, ReadOnly, TabularInline):
    model = Message
    fields = ("role", "text", "status", "trace")
    readonly_fields = fields
    can_delete = False
    extra = 0
    ordering = ("created_at",)

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
    show_full_result_count = False

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
    fields = ("number", "title", "quote", "score", "is_cited")
    readonly_fields = fields
    can_delete = False
    extra = 0


@admin.register(Message)
class MessageAdmin(ShowsTraces, OfOwnCourses, ReadOnly, ModelAdmin):
    course_lookup = "conversation__course"

    def has_delete_permission(self, request, obj=None):
        # One by one they would leave a conversation with holes; it goes as a whole, or not.
        here = request.resolver_match.url_name or ""
        is_alone = here.startswith("learning_message_")
        return not is_alone and super().has_delete_permission(request, obj)

    list_display = (
        "created_at",
        "role",
        "preview",
        "status",
        "student",
        "course",
        "model",
        "tokens",
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
        "text",
        "status",
        "error",
        "is_weakly_sourced",
        "model",
        "tokens",
        "created_at",
        "finished_at",
        "trace",
    )
    readonly_fields = fields
    inlines = (CitationInline,)
    ordering = ("-created_at",)
    show_full_result_count = False

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .select_related("conversation__user", "conversation__course")
        )

    @admin.display(description=_("text"))
    def preview(self, message):
        return message.text[:80]

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
