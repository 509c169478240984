"""The threads of tracing rest as long as they work, however idle the process is."""

from tracing.pace import Pace


def test_a_process_in_which_nobody_else_works_is_paced_all_the_same():
    pace = Pace(longest=50.0)
    for _ in range(200):
        sum(range(8_000))
        pace.rest()  # a pause of less than nothing is an error
    assert pace._busy >= 0.0
