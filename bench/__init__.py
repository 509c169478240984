"""The benchmark suite behind `make bench`: what the project claims about speed, measured.

    python -m bench                  # everything, 30 minutes at most, writes bench/RESULTS.md
    python -m bench --quick          # fewer rounds, ten minutes
    python -m bench --quick loop     # one topic

A topic is a module with a `measure(quick)` that returns rows (`rows.py`); `__main__.py` lists them.
How a figure comes about:
- Whatever is measured runs in a fresh process (`processes.py`). The model, Langfuse and the beat
  that the event loop is timed by are processes of their own, so their CPU is not in any figure.
- Ways that are compared take turns, in short rounds: a machine that slows down slows all of them. A
  ratio is the median of the ratios of each round, a figure the median of all rounds.
- CPU is the time that the process was charged for, all its threads; nothing is inferred from wall
  time.
- Peers are called the way their own documentation shows it (`answers.py`).
"""
