"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config import health
from learning.views.view_on_site import view_on_site

urlpatterns = [
    path(
        # Where Django's own is, in whatever way it is written.
        "admin/r/<path:content_type_id>/<path:object_id>/",
        admin.site.admin_view(view_on_site),
    ),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url="/static/learning/icon.svg")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("", include("learning.urls")),
]
