"""`{% course_overview %}`: the courses that a person looks after, for the admin's first page."""

from django import template

from learning.course_overview import overview

register = template.Library()


@register.inclusion_tag("admin/learning/course_overview.html", takes_context=True)
def course_overview(context):
    return {"overview": overview(context["request"].user), "perms": context["perms"]}
