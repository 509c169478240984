"""A student's conversations of a course, and what they do with one besides talking."""

from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header, url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from learning import history as past
from learning.views.access import turned_away, visible_course
from learning.views.conversations import conversations_of, own_conversation

ON_A_PAGE = 30


@require_safe
def history(request, course_slug):
    """Show the conversations of a course, newest first; `q` are words to look for."""
    course = visible_course(request, course_slug)
    if elsewhere := turned_away(request, course):
        return elsewhere
    wanted = request.GET.get("q", "").strip()[: past.LONGEST_SEARCH]
    found = past.newest_first(past.search(conversations_of(request.user, course), wanted))
    return render(
        request,
        "learning/history.html",
        {
            "course": course,
            "wanted": wanted,
            "page": Paginator(found, ON_A_PAGE).get_page(request.GET.get("page")),
            "longest_title": past.LONGEST_TITLE,
            "longest_search": past.LONGEST_SEARCH,
        },
    )


@require_POST
@login_required
def rename(request, conversation_id):
    """Give a conversation the `title` that its student wrote; leads back to `next`."""
    conversation = own_conversation(request, conversation_id)
    if past.rename(conversation, request.POST.get("title", "")):
        notices.success(request, _("The conversation is renamed."))
    else:
        notices.error(request, _("Write a title first."))
    back = request.POST.get("next", "")
    # Only to a page of this site.
    return redirect(
        back if url_has_allowed_host_and_scheme(back, allowed_hosts=None) else conversation
    )


@require_safe
@login_required
def export(request, conversation_id):
    """Give a conversation as a file of Markdown."""
    conversation = own_conversation(request, conversation_id)
    site = request.build_absolute_uri("/").rstrip("/")
    text = past.as_markdown(conversation, site=site)
    response = HttpResponse(text, content_type="text/markdown; charset=utf-8")
    name = past.file_name(conversation)
    response["Content-Disposition"] = content_disposition_header(True, name)
    return response
