from rag.duplicates import distinct

LIMIT = "The limit of a function is the value that it approaches near a point."


def test_a_copy_with_another_full_stop_is_dropped():
    texts = [LIMIT, LIMIT[:-1] + " !", "Another thing entirely."]

    assert distinct(texts, limit=9) == ([0, 2], [1])


def test_a_passage_that_holds_another_and_much_more_is_kept():
    texts = [LIMIT, f"{LIMIT} A derivative is a limit of slopes."]

    assert distinct(texts, limit=9) == ([0, 1], [])


def test_chinese_copies_are_noticed():
    text = "函数的极限是函数在某一点附近所趋近的值，"

    texts = [text + "记作极限。", text + "记作极限", "导数是变化率。"]

    assert distinct(texts, limit=9) == ([0, 2], [1])


def test_the_first_ones_fill_the_limit():
    assert distinct(["one thing", "another matter", "third subject"], limit=2) == ([0, 1], [])


def test_copies_far_behind_are_kept_as_they_come():
    assert distinct([LIMIT, "Another thing.", LIMIT], limit=9, within=2) == ([0, 1, 2], [])
