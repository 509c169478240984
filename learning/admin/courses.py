"""Courses, their chapters and their students in the admin."""

from django import forms
from django.contrib import admin
from django.db.models import Count
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from learning.chapter_preview import Previews
from learning.course_desk import HasDesk
from learning.models import Chapter, Course, Enrolment, QuizAttempt, User
from learning.own_courses import OfOwnCourses, OwnCoursesFilter
from learning.roles import TEACHER, looks_after_all
from learning.study_panel import CountsWaiting, MakesStudy
from learning.tasks import reindex_soon
from learning.views.quiz_results import quiz_results


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
    list_display = ("title", "language", "is_open", "chapter_count", "student_count")
    list_filter = ("language", "is_open")
    search_fields = ("title", "slug")
    ordering = ("title",)  # of its own: counting takes the model's away
    prepopulated_fields = {"slug": ("title",)}
    # Without the key of the enrolment link, which the page that enrols makes.
    fieldsets = (
        (None, {"fields": ("title", "slug", "summary", "language", "is_open", "teachers")}),
        (
            _("The tutor"),
            {
                "fields": ("stance", "tutor_notes", "chat_model"),
                "description": _("For a chat model: the built-in tutor quotes in any case."),
            },
        ),
        (_("Limits"), {"fields": ("questions_per_day", "tokens_per_day")}),
    )
    filter_horizontal = ("teachers",)
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

    def get_fieldsets(self, request, obj=None):
        shown = super().get_fieldsets(request, obj)
        if looks_after_all(request.user):
            return shown
        # Who is a teacher of a course is a right, which a teacher does not give.
        (title, options), *others = shown
        fields = [name for name in options["fields"] if name != "teachers"]
        return [(title, {**options, "fields": fields}), *others]

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        if db_field.name == "teachers":
            kwargs["queryset"] = User.objects.filter(is_staff=True, groups__name=TEACHER)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        if not change and not looks_after_all(request.user):
            form.instance.teachers.add(request.user)  # or it would be nobody's

    def get_deleted_objects(self, objs, request):
        *found, needed, protected = super().get_deleted_objects(objs, request)
        # What students have asked is not a teacher's to delete; what they have answered neither.
        is_all = looks_after_all(request.user)
        if not is_all and QuizAttempt.objects.filter(course__in=objs).exists():
            needed.add(QuizAttempt._meta.verbose_name)
        return *found, needed, protected

    @admin.display(description=_("chapters"), ordering="_chapters")
    def chapter_count(self, course):
        return course._chapters

    @admin.display(description=_("students"), ordering="_students")
    def student_count(self, course):
        return course._students


class PublishedFilter(admin.SimpleListFilter):
    title, parameter_name = _("published"), "published"

    def lookups(self, request, model_admin):
        return [("yes", _("published")), ("no", _("not published"))]

    def queryset(self, request, queryset):
        if self.value() == "yes":
            return queryset.published()
        return queryset.exclude(published_at__lte=timezone.now()) if self.value() else queryset


class ChapterForm(forms.ModelForm):
    def clean_text(self):
        """Ends of lines as in files: a chapter that is saved unchanged is the same text."""
        text = self.cleaned_data["text"].replace("\r\n", "\n")
        return f"{text}\n" if text else ""


@admin.register(Chapter)
class ChapterAdmin(OfOwnCourses, Previews, MakesStudy, Reindexing, ModelAdmin):
    course_slug = "course__slug"
    form = ChapterForm
    list_display = ("title", "course", "position", "published", "updated_at")
    list_filter = (("course", OwnCoursesFilter), PublishedFilter)
    fieldsets = (
        (None, {"fields": ("title", "slug", "course", "position", "published_at", "summary")}),
        (_("Text"), {"fields": ("text",)}),
        (_("Where it comes from"), {"fields": ("source_path", "created_at", "updated_at")}),
    )
    ordering = ("course__title", "position", "pk")
    search_fields = ("title", "slug")
    readonly_fields = ("source_path", "created_at", "updated_at")
    prepopulated_fields = {"slug": ("title",)}

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("course")

    @admin.display(description=_("published"), ordering="published_at")
    def published(self, chapter):
        if chapter.published_at is None:
            return _("not published")
        day = date_format(localtime(chapter.published_at), "SHORT_DATE_FORMAT")
        is_out = chapter.published_at <= timezone.now()
        return day if is_out else _("from %(day)s on") % {"day": day}


@admin.register(Enrolment)
class EnrolmentAdmin(OfOwnCourses, ModelAdmin):
    list_display = ("user", "course", "created_at")
    list_filter = (("course", OwnCoursesFilter),)
    autocomplete_fields = ("user", "course")
    search_fields = ("user__username", "user__email")
