"""Pictures in a chapter's text: which files it names, and how one that the course has is shown.

Only pictures of the course itself are shown, never one of another host; of any other a reader gets
the description.
"""

import html
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.utils.html import format_html
from django.utils.safestring import SafeString
from markdown_it.token import Token

from learning.rendering.markdown import plain_text

# As long as an element may sensibly be: the text may be anybody's.
_ELEMENT = re.compile(r"<img\b(?:[^>\"']|\"[^\"]{0,1000}\"|'[^']{0,1000}'){0,2000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"(?<![\w-])(src|alt|title)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE
)
_LINK = re.compile(r"<a\b", re.IGNORECASE)


class ShownPicture(NamedTuple):
    url: str
    width: int
    height: int


Pictures = Mapping[str, ShownPicture]  # by their path in the course's folder


def path_of(address: str, source_path: str) -> str:
    """Return which file of the course an address names, as seen from a chapter's; "" if none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme or parts.netloc or not parts.path:
        return ""
    path = unquote(parts.path).replace("\\", "/")
    if "\0" in path:
        return ""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source_path), path))


def addresses_in(tokens: list[Token]) -> Iterator[str]:
    """Yield the address of every picture in a text, as it stands there."""
    for token in tokens:
        for part in (token, *(token.children or [])):
            if part.type == "image":
                yield str(part.attrs["src"])
            elif part.type in ("html_block", "html_inline"):
                for element in _ELEMENT.findall(part.content):
                    yield _attributes(element).get("src", "")


def show_pictures(tokens: list[Token], source_path: str, pictures: Pictures) -> None:
    """Put the pictures that the course has into a text's tokens; the others are descriptions."""
    for place, token in enumerate(tokens):
        if token.type == "html_block":
            token.content = _with_pictures(token.content, source_path, pictures)
        links = 0
        for child in token.children or []:
            links += {"link_open": 1, "link_close": -1}.get(child.type, 0)
            if child.type == "html_inline":
                child.content = _with_pictures(child.content, source_path, pictures)
            elif child.type == "image":
                picture = pictures.get(path_of(str(child.attrs["src"]), source_path))
                if picture:
                    paragraph = tokens[place - 1 : place + 2]
                    child.meta["shown"] = _shown(child, picture, paragraph, is_linked=not links)


def _shown(
    image: Token, picture: ShownPicture, paragraph: list[Token], *, is_linked: bool
) -> SafeString:
    """Return the element of a picture; one that stands alone becomes a figure."""
    alt, title = plain_text(image), str(image.attrs.get("title", ""))
    opening, content, closing = paragraph
    # Hidden ones are of lists that are set tight.
    is_paragraph = opening.type == "paragraph_open" and not opening.hidden
    if not (is_paragraph and len(content.children) == 1):
        return _element(picture, alt, title, is_linked=is_linked)
    opening.tag = closing.tag = "figure"
    element = _element(picture, alt, "", is_linked=is_linked)
    return format_html("{}<figcaption>{}</figcaption>", element, title) if title else element


def _with_pictures(markup: str, source_path: str, pictures: Pictures) -> str:
    is_linked = not _LINK.search(markup)

    def shown(found: re.Match) -> str:
        named = _attributes(found[0])
        alt = " ".join(named.get("alt", "").split())
        picture = pictures.get(path_of(named.get("src", ""), source_path))
        if picture is None:
            return format_html('<span class="picture">{}</span>', alt) if alt else ""
        return _element(picture, alt, named.get("title", ""), is_linked=is_linked)

    alone = _ELEMENT.fullmatch(markup.strip())
    changed = _ELEMENT.sub(shown, markup)
    return f"<figure>{changed}</figure>" if alone and "<img" in changed else changed


def _attributes(element: str) -> dict[str, str]:
    found = {}
    for name, *values in _ATTRIBUTE.findall(element):
        found.setdefault(name.lower(), html.unescape("".join(values)).strip())
    return found


def _element(picture: ShownPicture, alt: str, title: str, *, is_linked: bool) -> SafeString:
    element = format_html(
        '<img src="{}" alt="{}" width="{}" height="{}" loading="lazy" decoding="async"{}>',
        picture.url,
        alt,
        picture.width,
        picture.height,
        format_html(' title="{}"', title) if title else "",
    )
    # A link must have a name, and the description is all that it could have.
    if not (is_linked and alt):
        return element
    return format_html('<a class="image" href="{}" target="_blank">{}</a>', picture.url, element)
