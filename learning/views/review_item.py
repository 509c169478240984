"""What the review shows of one item, and of the passages it stands on."""

from django.utils import timezone
from django.utils.translation import gettext as _

from learning.artefacts import review
from learning.artefacts.items import QUESTION_TYPES, RELATIONS, TRUE_FALSE
from learning.artefacts.keeping import names_of
from learning.models import ItemPassage, StudyItem
from learning.rendering import render_quote
from learning.views.item_panel import marked

Kind = StudyItem.Kind
Status = StudyItem.Status
SHOWN_AT_ONCE = 5


def shown_item(item: StudyItem) -> dict:
    """Return what the templates of the review say of an item; no chapter's text is read."""
    passages = list(
        ItemPassage.objects.filter(item=item)
        .select_related("chapter__course")
        .defer("chapter__text", "chapter__course__summary")
    )
    shown = [_shown_passage(passage, item) for passage in passages]
    content = item.content
    return {
        "words": review.in_words(item),
        "is_question": item.kind == Kind.QUESTION,
        "is_relation": item.kind == Kind.RELATION,
        "relation": RELATIONS.get(content.get("type"), "?"),
        "type_shown": QUESTION_TYPES.get(content.get("type"), ""),
        "text": render_quote(content.get("text", "")),
        "options": _options(content),
        "explanation": render_quote(content.get("explanation", "")),
        "definition": render_quote(content.get("definition") or ""),
        "aliases": names_of(item)[1:],
        "unseen_ends": [
            end
            for end in (item.source, item.target)
            if end is not None and end.status != Status.APPROVED
        ],
        "passages": shown[:SHOWN_AT_ONCE],
        "more_passages": shown[SHOWN_AT_ONCE:],
        "seen": review.version(item),
    }


def _options(content: dict) -> list[tuple[str, bool]]:
    if content.get("type") == TRUE_FALSE:
        return [(_("true"), content["right"] == [0]), (_("false"), content["right"] == [1])]
    right = content.get("right", [])
    texts = content.get("options", [])
    return [(render_quote(text), place in right) for place, text in enumerate(texts)]


def _shown_passage(passage: ItemPassage, item: StudyItem) -> dict:
    names = {passage.form, *names_of(item)}
    if item.kind == Kind.RELATION:
        names = {passage.form, *(n for end in (item.source, item.target) for n in names_of(end))}
    forms = {" ".join(name.split()) for name in names} - {""}
    html = render_quote(passage.quote)
    now = timezone.now()
    return {
        "row": passage,
        "html": marked(html, forms) if forms else html,
        "definition": render_quote(passage.definition) if passage.definition else "",
        "is_hidden": not (passage.chapter.published_at and passage.chapter.published_at <= now),
    }
