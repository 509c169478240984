"""The index in the admin: to look at, not to change. `manage.py reindex` changes it."""

from django.contrib import admin
from django.db.models import Count
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from rag.models import EVALUATION_PREFIX, Chunk, IndexVersion


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows and offers nothing else."""

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(IndexVersion)
class IndexVersionAdmin(ReadOnlyAdmin):
    intro = _(
        "The tutor searches the active version of each course's index. A new one takes its place "
        "once it is complete."
    )
    list_display = (
        "collection",
        "status",
        "passages",
        "embedder_name",
        "embedder_revision",
        "created_at",
        "activated_at",
    )
    list_filter = ("status",)
    search_fields = ("collection",)
    fields = (
        "collection",
        "status",
        "passages",
        "embedder_name",
        "embedder_revision",
        "dimension",
        "normalisation",
        "chunker_version",
        "created_at",
        "activated_at",
    )
    ordering = ("collection", "-pk")

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .exclude(collection__startswith=EVALUATION_PREFIX)
            .annotate(passage_count=Count("documents__chunks"))
        )

    @admin.display(description=_("passages"), ordering="passage_count")
    def passages(self, version: IndexVersion) -> int:
        return version.passage_count


@admin.register(Chunk)
class ChunkAdmin(ReadOnlyAdmin):
    intro = _("The pieces of chapters that the tutor searches, reads and quotes.")
    list_display = ("document", "place", "token_count", "beginning")
    list_filter = ("document__collection",)
    list_select_related = ("document",)
    search_fields = ("text", "document__title")
    fields = ("document", "position", "start", "end", "heading_path", "text", "token_count")
    ordering = ("document", "position")

    def get_queryset(self, request):
        chunks = super().get_queryset(request)
        return chunks.exclude(document__collection__startswith=EVALUATION_PREFIX)

    @admin.display(description=_("heading"))
    def place(self, chunk: Chunk) -> str:
        return " › ".join(chunk.heading_path[1:])

    @admin.display(description=_("text"))
    def beginning(self, chunk: Chunk) -> str:
        return chunk.text[:80] + ("…" if len(chunk.text) > 80 else "")
