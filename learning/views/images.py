"""The pictures that chapters show."""

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from learning.models import CourseImage
from learning.views.access import turned_away, visible_course

MEDIA_TYPES = {
    CourseImage.Kind.PNG: "image/png",
    CourseImage.Kind.JPEG: "image/jpeg",
    CourseImage.Kind.GIF: "image/gif",
    CourseImage.Kind.WEBP: "image/webp",
    CourseImage.Kind.SVG: "image/svg+xml",
}
# For a picture that is opened by itself: what an SVG holds may draw, and neither run nor load.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_FOR_EVER = "private, max-age=31536000, immutable"


@require_safe
def image(request, course_slug, sha256, kind):
    course = visible_course(request, course_slug)
    if elsewhere := turned_away(request, course):
        return elsewhere
    found = CourseImage.objects.visible_to(request.user, course)
    picture = found.filter(sha256=sha256, kind=kind).first()
    try:
        # In one piece: it is small, and a server of ASGI reads a file response no other way.
        content = picture.read() if picture else None
    except FileNotFoundError:
        content = None
    if content is None:
        raise Http404
    return HttpResponse(
        content,
        content_type=MEDIA_TYPES[picture.kind],
        headers={
            "Cache-Control": _FOR_EVER,
            "Content-Security-Policy": _POLICY,
            "Content-Disposition": f'inline; filename="{sha256[:12]}.{kind}"',
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        },
    )
