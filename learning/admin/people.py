"""Users and groups in the admin: who may look after what, and who may say so."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from learning.links import trace_search
from learning.models import User
from learning.roles import ROLES, looks_after_all, students_of
from tracing import pseudonym

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
    intro = _("A role is what its members may do. Who has which role is said on a person's page.")

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
    list_display = ("username", "name", "email", "role", "last_login")

    def get_queryset(self, request):
        rows = super().get_queryset(request).prefetch_related("groups")
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

    @admin.display(description=_("name"), ordering="last_name")
    def name(self, user):
        return user.get_full_name() or "–"

    @admin.display(description=_("role"))
    def role(self, user):
        if user.is_superuser:
            return _("administrator")
        if not user.is_staff:
            return _("student")
        roles = [gettext(group.name) for group in user.groups.all()]
        return gettext(", ").join(roles) or _("staff")

    @admin.display(description=_("traces"))
    def traces(self, user):
        return trace_search(pseudonym(user), _("traces of this user"))
