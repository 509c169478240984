"""The circuit breaker, with a clock that goes when it is told to."""

import threading

import pytest

from learning.llm.breaker import Breaker


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(failures=3, pause_seconds=30, longest_pause_seconds=100, clock=clock)


def fail(breaker, times=1, **options):
    for _ in range(times):
        breaker.failed(**options)


def test_it_opens_after_so_many_failures_in_a_row(breaker):
    fail(breaker, 2)
    assert breaker.lets_through() and not breaker.is_open

    fail(breaker)

    assert breaker.is_open and not breaker.lets_through()


def test_a_success_between_failures_begins_the_row_anew(breaker):
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)

    assert not breaker.is_open


def test_after_its_pause_one_turn_is_let_through_as_a_trial(breaker, clock):
    fail(breaker, 3)
    clock.now += 29
    assert (breaker.lets_through(), breaker.seconds_to_trial) == (False, 1)

    clock.now += 1

    assert [breaker.lets_through() for _ in range(3)] == [True, False, False]
    assert breaker.is_open


def test_a_trial_that_succeeds_closes_it_for_all(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    breaker.lets_through()

    breaker.succeeded()

    assert [breaker.lets_through() for _ in range(3)] == [True] * 3
    assert (breaker.is_open, breaker.seconds_to_trial) == (False, 0)


def test_each_trial_that_fails_doubles_the_pause_up_to_a_limit(breaker, clock):
    fail(breaker, 3)
    pauses = []
    for _ in range(4):
        pauses.append(breaker.seconds_to_trial)
        clock.now += breaker.seconds_to_trial
        assert breaker.lets_through()
        fail(breaker)

    assert pauses == [30, 60, 100, 100]


def test_once_it_was_closed_again_the_first_pause_is_short_again(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    breaker.lets_through()
    fail(breaker)
    breaker.succeeded()

    fail(breaker, 3)

    assert breaker.seconds_to_trial == 30


def test_turns_that_were_asked_before_it_opened_do_not_lengthen_the_pause(breaker):
    fail(breaker, 20)

    assert breaker.seconds_to_trial == 30


def test_a_trial_that_was_stopped_half_way_is_followed_by_another(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    assert breaker.lets_through()

    clock.now += 30

    assert breaker.lets_through()


def test_a_provider_that_asks_for_more_patience_gets_it_within_the_limit(breaker, clock):
    fail(breaker, 3, wait_seconds=70)
    assert breaker.seconds_to_trial == 70

    clock.now += 70
    breaker.lets_through()
    fail(breaker, wait_seconds=86_400)

    assert breaker.seconds_to_trial == 100


def test_of_many_threads_one_gets_the_trial(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    gate, passed = threading.Barrier(16), []

    def ask():
        gate.wait()
        passed.append(breaker.lets_through())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(passed) == [False] * 15 + [True]
