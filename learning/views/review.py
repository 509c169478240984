"""The pages on which staff go through what was made, one item beside its passages.

Every button is a form and every way a link, so all of it works without JavaScript; `review.js` adds
the keys. What was decided last is kept in the session, to be undone.
"""

from dataclasses import asdict

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from learning.artefacts import review as use_case
from learning.artefacts.items import ItemError
from learning.artefacts.review import Decision, Queue, ReviewError
from learning.forms_review import form_for
from learning.models import StudyItem
from learning.roles import courses_of, looks_after_all
from learning.views.review_item import shown_item

Kind = StudyItem.Kind
Status = StudyItem.Status
UNDOABLE = "review_undo"  # in the session, the last decision last
MOST_UNDOABLE = 50
DECISIONS = {"approve": Status.APPROVED, "reject": Status.REJECTED}


def review(request, model_admin):
    """Show one item of a queue, or what waits; POST decides and goes on to the next."""
    _must_be_allowed(model_admin.has_view_permission(request))
    queue, item_id = _asked_for(request)
    if request.method == "POST":
        _must_be_allowed(model_admin.has_change_permission(request))
        if request.POST.get("do") == "undo":
            return _undo(request, queue)
        return _decide(request, queue)
    is_asked = bool(request.GET)
    pks = _pks(request, queue) if is_asked else []
    item_id_shown = item_id or next(iter(pks), None)
    item = _found(request, item_id_shown) if item_id_shown else None
    if item_id and item is None:
        messages.warning(request, _("This item is gone. Here is the next one."))
        return _to(queue)
    if item is None:
        return _page(request, model_admin, "review_done.html", queue, is_asked=is_asked)
    return _page(
        request,
        model_admin,
        "review.html",
        queue,
        item=item,
        **_way_on(queue, pks, item),
        **shown_item(item),
        at_once=_at_once(request, queue),
    )


def edit(request, model_admin, item_id):
    """Show the form of an item; POST saves it, and may approve it."""
    _must_be_allowed(model_admin.has_change_permission(request))
    queue, _item_id = _asked_for(request)
    item = _found(request, item_id)
    if item is None:
        messages.warning(request, _("This item is gone. Here is the next one."))
        return _to(queue)
    form = form_for(item, request.POST if request.method == "POST" else None)
    seen = request.POST.get("seen") or use_case.version(item)
    if request.method == "POST" and form.is_valid():
        approves = request.POST.get("do") == "approve"
        following = _following(request, queue, item.pk) if approves else item.pk
        try:
            decision = use_case.edit(
                item.pk, form.content, seen=seen, by=request.user, approves=approves
            )
        except ItemError as error:
            form.add_error(None, str(error))
        except ReviewError as error:
            messages.error(request, str(error))
            return _to(queue, item.pk)
        else:
            done = _what_was_done(decision, approves=approves)
            _remember(request, decision, queue, done, _found(request, item.pk) or item)
            return _to(queue, following)
    return _page(
        request,
        model_admin,
        "review_edit.html",
        queue,
        item=item,
        form=form,
        back_url=address(queue, item.pk),
        **{**shown_item(item), "seen": seen},
    )


def approve_all(request, model_admin):
    """Ask before all that waits of one kind, in one course, is approved; POST does it."""
    _must_be_allowed(model_admin.has_change_permission(request))
    queue, _item_id = _asked_for(request)
    course = get_object_or_404(courses_of(request.user), pk=queue.course_id or 0)
    if not queue.kind or queue.status != Status.PENDING:
        raise Http404
    if request.method == "POST":
        try:
            count, decision = use_case.approve_at_once(
                queue, seen=request.POST.get("seen", ""), by=request.user
            )
        except ReviewError as error:
            messages.error(request, str(error))
        else:
            _remember(
                request, decision, queue, _("approved"), _("%(count)d items") % {"count": count}
            )
            return _to(queue)
    pks = list(queue.to_approve_at_once().values_list("pk", flat=True))
    return _page(
        request,
        model_admin,
        "review_all.html",
        queue,
        course=course,
        count=len(pks),
        others=queue.items().count() - len(pks),
        seen=use_case.fingerprint(pks),
    )


def address(queue: Queue, item_id: int | None = None) -> str:
    """Return where a queue is gone through, at this item or at its first."""
    query = _query(queue) | ({"item": item_id} if item_id else {})
    return f"{reverse('admin:learning_studyitem_review')}?{urlencode(query)}"


def _query(queue: Queue) -> dict:
    return {"course": queue.course_id or "", "kind": queue.kind, "status": queue.status}


def _must_be_allowed(is_allowed: bool) -> None:
    if not is_allowed:
        raise PermissionDenied


def _asked_for(request) -> tuple[Queue, int | None]:
    query = request.GET
    numbers = {name: query.get(name, "") for name in ("course", "item")}
    kind, status = query.get("kind", ""), query.get("status", Status.PENDING)
    if any(number and not (number.isdecimal() and len(number) < 16) for number in numbers.values()):
        raise Http404
    if kind not in ("", *Kind.values) or status not in ("", *Status.values):
        raise Http404
    course, item = (int(number) if number else None for number in numbers.values())
    if course and not looks_after_all(request.user):
        get_object_or_404(courses_of(request.user), pk=course)
    return Queue(course, kind, status), item


def _own(request, items: QuerySet[StudyItem]) -> QuerySet[StudyItem]:
    """Those of the courses that this person looks after: a queue of all courses holds others."""
    if looks_after_all(request.user):
        return items
    return items.filter(course__in=courses_of(request.user))


def _pks(request, queue: Queue) -> list[int]:
    return list(_own(request, queue.items()).values_list("pk", flat=True))


def _at_once(request, queue: Queue) -> int:
    if queue.status != Status.PENDING:
        return 0
    return _own(request, queue.to_approve_at_once()).count()


def _found(request, item_id: int) -> StudyItem | None:
    related = ("course", "source", "target", "reviewed_by", "artefact")
    items = _own(request, StudyItem.objects.select_related(*related))
    return items.filter(pk=item_id).first()


def _to(queue: Queue, item_id: int | None = None) -> HttpResponseRedirect:
    return HttpResponseRedirect(address(queue, item_id))


def _following(request, queue: Queue, item_id: int) -> int | None:
    """The one that comes when this one has been decided on; from the last back to the first."""
    pks = _pks(request, queue)
    if item_id not in pks:
        return None
    place = pks.index(item_id)
    return next(iter([*pks[place + 1 :], *pks[:place]]), None)


def _decide(request, queue: Queue):
    item_id = request.POST.get("item", "")
    status = DECISIONS.get(request.POST.get("do", ""))
    is_number = item_id.isdecimal() and len(item_id) < 16
    item = _found(request, int(item_id)) if is_number else None
    if status is None:
        raise Http404
    if item is None:
        messages.warning(request, _("This item is gone. Here is the next one."))
        return _to(queue)
    following = _following(request, queue, item.pk)
    try:
        decision = use_case.decide(
            item.pk, status, seen=request.POST.get("seen", ""), by=request.user
        )
    except ReviewError as error:
        messages.error(request, str(error))
        return _to(queue, item.pk)
    _remember(request, decision, queue, status.label, item)
    return _to(queue, following)


def _what_was_done(decision: Decision, *, approves: bool) -> str:
    if not approves:
        return _("edited")
    is_edited = "content" in decision.before
    return _("edited and approved") if is_edited else Status.APPROVED.label


def _remember(request, decision: Decision, queue: Queue, done, item: StudyItem | str) -> None:
    is_one = isinstance(item, StudyItem)
    entry = {
        "decision": asdict(decision),
        "done": str(done),
        "words": use_case.in_a_line(item, most=80) if is_one else str(item),
        "queue": asdict(queue),
        "course": item.course_id if is_one else queue.course_id,
        "item": item.pk if is_one else None,
    }
    request.session[UNDOABLE] = [*request.session.get(UNDOABLE, []), entry][-MOST_UNDOABLE:]


def _undo(request, queue: Queue):
    stack = _undoable(request)
    if not stack:
        messages.info(request, _("There is nothing to undo."))
        return _to(queue)
    *request.session[UNDOABLE], last = stack
    request.session.modified = True
    try:
        use_case.undo(Decision(**last["decision"]), by=request.user)
    except ReviewError as error:
        messages.error(request, str(error))
    return _to(Queue(**last["queue"]), last["item"])


def _undoable(request) -> list[dict]:
    """What this person has decided in this session, in courses that are theirs still."""
    stack = request.session.get(UNDOABLE, [])
    if looks_after_all(request.user):
        return stack
    own = set(courses_of(request.user).values_list("pk", flat=True))
    return [entry for entry in stack if entry.get("course") in own]


def _page(request, model_admin, template: str, queue: Queue, **context):
    counts = _own(request, StudyItem.objects.all())
    if queue.course_id:
        counts = counts.filter(course=queue.course_id)
    if queue.kind:
        counts = counts.filter(kind=queue.kind)
    by_status = dict(counts.order_by().values_list("status").annotate(Count("pk")))
    stack = _undoable(request)
    own = courses_of(request.user)
    context = {"is_asked": True, **context} | {
        **_site_context(request, model_admin),
        "opts": model_admin.opts,
        "title": _("Review"),
        "queue": queue,
        "kind_shown": Kind(queue.kind).label if queue.kind else "",
        "course": own.filter(pk=queue.course_id).first() if queue.course_id else None,
        "statuses": [
            (status, by_status.get(status, 0), address(Queue(queue.course_id, queue.kind, status)))
            for status in Status
        ],
        "waiting": [
            {
                **each,
                "kind_shown": Kind(each["kind"]).label,
                "url": address(Queue(each["course"], each["kind"])),
            }
            for each in _waiting(request)
        ],
        "here": address(queue),
        "query": urlencode(_query(queue)),
        "last": stack[-1] if stack else None,
        "may_change": model_admin.has_change_permission(request),
    }
    return TemplateResponse(request, f"admin/learning/{template}", context)


def _waiting(request) -> list[dict]:
    waiting = use_case.waiting_by_kind()
    if looks_after_all(request.user):
        return waiting
    own = set(courses_of(request.user).values_list("pk", flat=True))
    return [each for each in waiting if each["course"] in own]


def _site_context(request, model_admin) -> dict:
    """The theme lights every entry of its menu whose address begins ours: here the list's too."""
    site = model_admin.admin_site.each_context(request)
    the_list = reverse("admin:learning_studyitem_changelist")
    for group in site["sidebar_navigation"]:
        for entry in group["items"]:
            entry["active"] = entry["active"] and entry["link"] != the_list
    return site


def _way_on(queue: Queue, pks: list[int], item: StudyItem) -> dict:
    place = pks.index(item.pk) if item.pk in pks else None
    before = pks[place - 1] if place else None
    after = pks[place + 1] if place is not None and place + 1 < len(pks) else None
    if place is None and pks:
        after = pks[0]
    return {
        "number": None if place is None else place + 1,
        "total": len(pks),
        "previous_url": address(queue, before) if before else "",
        "next_url": address(queue, after) if after else "",
    }
