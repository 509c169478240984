"""Small PDF, DOCX and PPTX files for tests, as their programs would write them."""

import io
import zipfile
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_M = "http://schemas.openxmlformats.org/officeDocument/2006/math"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_FONTS = {"plain": "Helvetica", "bold": "Helvetica-Bold", "code": "Courier"}


class Line(NamedTuple):
    text: str
    top: float  # from above, in points
    left: float = 72
    size: float = 11
    font: str = "plain"


def lines(*texts: str, top: float = 100, size: float = 11, left: float = 72) -> list[Line]:
    """Lines one below the other, as a paragraph is set."""
    return [Line(text, top + place * size * 1.3, left, size) for place, text in enumerate(texts)]


def pdf(
    *pages: Sequence[Line], outline: Sequence[tuple[str, int]] = (), encrypt: bool = False
) -> bytes:
    """A PDF of A4 pages. `outline`: (title, page from 1)."""
    objects: list[bytes] = [b"", b""]  # the catalog and the page tree come last

    def add(content: bytes | str) -> int:
        objects.append(content if isinstance(content, bytes) else content.encode())
        return len(objects)

    fonts = {
        name: add(f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} >>")
        for name, font in _FONTS.items()
    }
    song = add(
        "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo"
        " << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> /DW 1000 >>"
    )
    fonts["chinese"] = add(
        "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H"
        f" /DescendantFonts [{song} 0 R] >>"
    )
    named = " ".join(f"/{name} {number} 0 R" for name, number in fonts.items())
    numbers = []
    for page in pages:
        stream = "\n".join(map(_draw, page)).encode("latin-1")
        content = add(b"<< /Length %d >> stream\n%b\nendstream" % (len(stream), stream))
        numbers.append(
            add(
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R"
                f" /Resources << /Font << {named} >> >> >>"
            )
        )
    marks = ""
    if outline:
        root = len(objects) + 1
        first, last = root + 1, root + len(outline)
        add(f"<< /First {first} 0 R /Last {last} 0 R /Count {len(outline)} >>")
        for place, (title, page) in enumerate(outline):
            own = first + place
            nearby = f"/Next {own + 1} 0 R " if own < last else ""
            nearby += f"/Prev {own - 1} 0 R" if own > first else ""
            words = f"<feff{title.encode('utf-16-be').hex()}>"
            target = f"[{numbers[page - 1]} 0 R /XYZ 0 842 0]"
            add(f"<< /Title {words} /Parent {root} 0 R {nearby} /Dest {target} >>")
        marks = f"/Outlines {root} 0 R"
    objects[0] = f"<< /Type /Catalog /Pages 2 0 R {marks} >>".encode()
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects[1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(numbers)} >>".encode()
    trailer = ""
    if encrypt:  # with a password that nobody knows
        secret = "00" * 32
        locked = add(f"<< /Filter /Standard /V 1 /R 2 /O <{secret}> /U <{secret}> /P -4 >>")
        trailer = f"/Encrypt {locked} 0 R /ID [<00> <00>]"
    return _file(objects, trailer)


def _draw(line: Line) -> str:
    words = f"({line.text.replace(chr(92), chr(92) * 2).replace('(', chr(92) + '(')})"
    font = line.font
    if not line.text.isascii():
        font, words = "chinese", f"<{line.text.encode('utf-16-be').hex()}>"
    words = words.replace(")", "\\)")[:-2] + ")" if words.startswith("(") else words
    return f"BT /{font} {line.size} Tf {line.left} {842 - line.top} Td {words} Tj ET"


def _file(objects: list[bytes], trailer: str) -> bytes:
    content = b"%PDF-1.6\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    return (
        content
        + (
            f"xref\n0 {size}\n0000000000 65535 f \n{table}"
            f"trailer << /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{len(content)}\n%%EOF\n"
        ).encode()
    )


def paragraph(text: str, style: str = "", depth: int | None = None) -> str:
    """A paragraph of a DOCX; `depth`: of a list item. Text that begins with < is XML."""
    numbered = f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="1"/></w:numPr>'
    settings = f'<w:pStyle w:val="{style}"/>' if style else ""
    settings += numbered if depth is not None else ""
    run = (
        text
        if text.startswith("<")
        else f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'
    )
    return f"<w:p><w:pPr>{settings}</w:pPr>{run}</w:p>"


def word_table(*rows: Sequence[str]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def docx(*body: str) -> bytes:
    styles = {"H1": "heading 1", "H2": "heading 2", "Title": "Title", "Code": "Source Code"}
    names = "".join(
        f'<w:style w:type="paragraph" w:styleId="{key}"><w:name w:val="{name}"/></w:style>'
        for key, name in styles.items()
    )
    levels = "".join(
        f'<w:lvl w:ilvl="{depth}"><w:numFmt w:val="bullet"/></w:lvl>' for depth in range(3)
    )
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    return archive(
        {
            "[Content_Types].xml": f'<Types xmlns="{_TYPES}">'
            '<Default Extension="rels"'
            ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{main}"/></Types>',
            "_rels/.rels": _relations("r1", "officeDocument", "word/document.xml"),
            "word/_rels/document.xml.rels": _relations(
                "r1", "styles", "styles.xml", "r2", "numbering", "numbering.xml"
            ),
            "word/styles.xml": f'<w:styles xmlns:w="{_W}">{names}</w:styles>',
            "word/numbering.xml": f'<w:numbering xmlns:w="{_W}"><w:abstractNum'
            f' w:abstractNumId="0">{levels}</w:abstractNum><w:num w:numId="1">'
            '<w:abstractNumId w:val="0"/></w:num></w:numbering>',
            "word/document.xml": f'<w:document xmlns:w="{_W}" xmlns:m="{_M}"><w:body>'
            f"{''.join(body)}</w:body></w:document>",
        }
    )


def _relations(*parts: str) -> str:
    each = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return (
        f'<Relationships xmlns="{_RELATIONS}">'
        + "".join(
            f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
            for key, kind, target in each
        )
        + "</Relationships>"
    )


def archive(entries: dict[str, str | bytes]) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in entries.items():
            target.writestr(name, content)
    return file.getvalue()
