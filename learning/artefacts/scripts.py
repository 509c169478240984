"""Which characters are Chinese: a text with one of them has no spaces between its words."""

import re

CJK = r"\u3400-\u4dbf\u4e00-\u9fff"  # to stand in brackets
HAN = re.compile(f"[{CJK}]")
