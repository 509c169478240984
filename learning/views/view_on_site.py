"""The admin's "view on site": leads to what the admin shows to who asks, and to nothing else.

Django's own view of this name tells the address of any row to anybody on the staff.
"""

from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.http import Http404
from django.shortcuts import redirect


def view_on_site(request, content_type_id: str, object_id: str):
    try:
        model = ContentType.objects.get_for_id(int(content_type_id)).model_class()
    except (ContentType.DoesNotExist, ValueError):
        raise Http404 from None
    if not admin.site.is_registered(model):
        raise Http404
    model_admin = admin.site.get_model_admin(model)
    row = model_admin.get_object(request, object_id)
    if not hasattr(row, "get_absolute_url") or not model_admin.has_view_permission(request, row):
        raise Http404
    return redirect(row)
