"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url="/static/learning/icon.svg")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("", include("learning.urls")),
]
