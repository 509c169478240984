"""What staff write when they edit an item: a form for each kind.

Whether it makes a whole item, `learning.artefacts.review.edit` says.
"""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from learning.artefacts.items import (
    APPEARS_WITH,
    LONGEST_OPTION,
    LONGEST_TEXT,
    MOST_OPTIONS,
    MULTIPLE,
    QUESTION_TYPES,
    RELATIONS,
    SHORT,
    SINGLE,
    TRUE_FALSE,
)
from learning.models import StudyItem

Kind = StudyItem.Kind


def form_for(item: StudyItem, sent=None) -> "ItemForm":
    """Return the form of an item's kind, filled with what it says or with what was `sent`."""
    form = (
        _QUESTION_FORMS[item.content["type"]] if item.kind == Kind.QUESTION else _FORMS[item.kind]
    )
    return form(item, sent)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _text(label, *, rows: int, **options) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": rows}),
        **options,
    )


class ItemForm(forms.Form):
    """`content` is what the item holds with what was written; keys that no field has are kept."""

    def __init__(self, item: StudyItem, sent=None):
        super().__init__(sent, initial=self.initial_of(item.content))
        self.item = item

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            # Browsers send lines with two characters at their ends.
            given = {
                name: value.replace("\r\n", "\n") if isinstance(value, str) else value
                for name, value in self.cleaned_data.items()
            }
            self.content = {**self.item.content, **self.written(given)}
        return self.cleaned_data

    def initial_of(self, content: dict[str, Any]) -> dict[str, Any]:
        return content

    def written(self, given: dict[str, Any]) -> dict[str, Any]:
        return given


class NameForm(ItemForm):
    name = forms.CharField(label=_("Name"))
    aliases = forms.CharField(
        label=_("Other names"),
        required=False,
        help_text=_("One on each line: other spellings, abbreviations, other languages."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def initial_of(self, content):
        return {**content, "aliases": "\n".join(content.get("aliases", []))}

    def written(self, given):
        return {**given, "aliases": _lines(given["aliases"])}


class ConceptForm(NameForm):
    definition = _text(
        _("Definition"),
        rows=4,
        required=False,
        help_text=_("Empty: as the passages explain it, to each reader those that they may see."),
    )


class RelationForm(ItemForm):
    type = forms.ChoiceField(
        label=_("How the two hang together"),
        choices=[(name, words) for name, words in RELATIONS.items() if name != APPEARS_WITH],
        widget=forms.RadioSelect,
    )

    def __init__(self, item, sent=None):
        super().__init__(item, sent)
        if item.content["type"] == APPEARS_WITH:  # the teacher may leave it at that
            self.fields["type"].choices = list(RELATIONS.items())


class QuestionForm(ItemForm):
    text = _text(_("Question"), rows=3)
    explanation = _text(_("Explanation"), rows=4)


class ChoiceForm(QuestionForm):
    """Options in rows, each with a box that says whether it is right."""

    type = forms.ChoiceField(
        label=_("Type"),
        choices=[(name, QUESTION_TYPES[name]) for name in (SINGLE, MULTIPLE)],
        widget=forms.RadioSelect,
    )
    field_order = ("text", "type", "explanation")

    def __init__(self, item, sent=None):
        super().__init__(item, sent)
        for place in range(MOST_OPTIONS):
            words = {"number": place + 1}
            self.fields[f"right_{place}"] = forms.BooleanField(
                label=_("Option %(number)s is right") % words, required=False
            )
            self.fields[f"option_{place}"] = forms.CharField(
                label=_("Option %(number)s") % words, max_length=LONGEST_OPTION, required=False
            )

    def rows(self):
        return [(self[f"right_{place}"], self[f"option_{place}"]) for place in range(MOST_OPTIONS)]

    def initial_of(self, content):
        options = {f"option_{place}": text for place, text in enumerate(content["options"])}
        return {**content, **options, **{f"right_{place}": True for place in content["right"]}}

    def written(self, given):
        rows = [(given[f"option_{n}"], given[f"right_{n}"]) for n in range(MOST_OPTIONS)]
        rows = [(text, is_right) for text, is_right in rows if text]
        return {
            **{name: given[name] for name in ("text", "type", "explanation")},
            "options": [text for text, _right in rows],
            "right": [place for place, (_text, is_right) in enumerate(rows) if is_right],
        }


class TrueFalseForm(QuestionForm):
    right = forms.TypedChoiceField(
        label=_("It is"),
        choices=[(0, _("true")), (1, _("false"))],
        coerce=int,
        widget=forms.RadioSelect,
    )
    field_order = ("text", "right", "explanation")

    def initial_of(self, content):
        return {**content, "right": content["right"][0]}

    def written(self, given):
        return {**given, "right": [given["right"]]}


class ShortForm(QuestionForm):
    accepted = _text(
        _("Accepted answers"),
        rows=3,
        help_text=_("One on each line; case and punctuation do not matter."),
    )
    field_order = ("text", "accepted", "explanation")

    def initial_of(self, content):
        return {**content, "accepted": "\n".join(content["accepted"])}

    def written(self, given):
        return {**given, "accepted": _lines(given["accepted"])}


_FORMS: dict[str, type[ItemForm]] = {
    Kind.TERM: NameForm,
    Kind.CONCEPT: ConceptForm,
    Kind.RELATION: RelationForm,
}
_QUESTION_FORMS: dict[str, type[ItemForm]] = {
    SINGLE: ChoiceForm,
    MULTIPLE: ChoiceForm,
    TRUE_FALSE: TrueFalseForm,
    SHORT: ShortForm,
}
