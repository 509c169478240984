"""The one gate through which rendered HTML leaves: nothing passes that runs, loads or carries data.

No images (chapters show those of their course, and no others), no styles, no ids (a chapter gives
its own after this gate), no forms. MathML passes as elements and measures only.
"""

import re

import nh3
from pygments.token import STANDARD_TYPES

_TEXT_TAGS = set(
    "a abbr b blockquote br caption code dd del details div dl dt em figcaption figure h1 h2 h3 h4"
    " h5 h6 hr i ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td"
    " tfoot th thead tr u ul var".split()
)
_MATH_TAGS = set(
    "math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot"
    " mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover".split()
)
_MATH_ATTRIBUTES = set(
    "accent accentunder columnspan depth display displaystyle fence form height largeop"
    " linethickness lspace mathvariant maxsize minsize movablelimits notation rowspan rspace"
    " scriptlevel separator stretchy symmetric voffset width".split()
)
_MATH_CLASSES = set(
    "m-left m-right m-tight-left m-tight-right m-wide-left m-line-left m-line-right m-line-top"
    " m-line-bottom m-full m-half menclose-updiagonalstrike menclose-downdiagonalstrike"
    " menclose-horizontalstrike".split()
)
_PYGMENTS_CLASSES = {name for name in STANDARD_TYPES.values() if name}

_IMAGE = re.compile(
    r"(?:/[\w%.~-]+)*/courses/[^/?#\s\\]+/images/[0-9a-f]{64}\.(?:png|jpg|gif|webp|svg)"
)

_RULES = dict(
    tags=_TEXT_TAGS | _MATH_TAGS,
    clean_content_tags={
        "script",
        "style",
        "template",
        "noscript",
        "iframe",
        "object",
        "svg",
    },
    attributes={
        "a": {"href", "title", "data-n"},
        "abbr": {"title"},
        "ol": {"start"},
        "td": {"colspan", "rowspan"},
        "th": {"colspan", "rowspan", "scope"},
        **dict.fromkeys(_MATH_TAGS, _MATH_ATTRIBUTES),
    },
    # Boxes that scroll sideways can be reached and scrolled with the keyboard.
    tag_attribute_values={"pre": {"tabindex": {"0"}}, "div": {"tabindex": {"0"}}},
    allowed_classes={
        "a": {"cite"},
        "code": {"math-error", "math-pending"},
        "div": {"table", "math-block"},
        "pre": {"code"},
        "span": _PYGMENTS_CLASSES | {"picture", "formula", "kept"},
        "td": {"align-left", "align-center", "align-right"},
        "th": {"align-left", "align-center", "align-right"},
        **dict.fromkeys(_MATH_TAGS, _MATH_CLASSES),
    },
    # Whoever a link leads to does not learn where it was clicked.
    link_rel="noopener noreferrer nofollow",
    url_schemes={"http", "https", "mailto"},
)


def _only_images_of_courses(tag: str, attribute: str, value: str) -> str | None:
    is_strange = (tag, attribute) == ("img", "src") and not _IMAGE.fullmatch(value)
    return None if is_strange else value


_CLEANER = nh3.Cleaner(**_RULES)
_CHAPTER_CLEANER = nh3.Cleaner(
    **_RULES
    | {
        "tags": _RULES["tags"] | {"img"},
        "attributes": _RULES["attributes"] | {"img": {"src", "alt", "title", "width", "height"}},
        "tag_attribute_values": _RULES["tag_attribute_values"]
        | {
            "a": {"target": {"_blank"}},
            "img": {"loading": {"lazy"}, "decoding": {"async"}},
        },
        "allowed_classes": _RULES["allowed_classes"] | {"a": {"cite", "image"}},
        "attribute_filter": _only_images_of_courses,
    }
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean_html(html: str) -> str:
    """Return the HTML without whatever a page must not hold."""
    return _CLEANER.clean(html)


def clean_chapter_html(html: str) -> str:
    """The same, with images: those that this site serves, and none of another host."""
    return (_CHAPTER_CLEANER if "<img" in html else _CLEANER).clean(html)


def clean_source(text: str) -> str:
    """Return the text with NUL and half surrogates replaced, one character for one.

    Neither can be stored in a page; offsets stay what they were.
    """
    text = text.replace("\0", "\ufffd")
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)
