import io
import re
import sys
import types

import pytest
from rich.console import Console

from elth_jax.runner import progress
from elth_jax.runner.progress import ProgressDisplay
from elth_jax.runner.time_left import TimeLeft


def show(monkeypatch, terminal):
  screen = io.StringIO()
  monkeypatch.setattr(
    progress,
    'Console',
    lambda file: Console(file=screen, force_terminal=terminal, width=78),
  )
  monkeypatch.setattr(progress, 'QUIET_SECONDS', 0.0)
  with ProgressDisplay(runs=4, finished=1, work=100.0) as display:
    display.advance('a-run', 1.0)
    display.advance('a-run', 49.0, 'step 5/10')
    display.finish('a-run', 'accuracy 0.9')
  return screen.getvalue()


def test_plain_lines_where_nobody_watches(monkeypatch):
  lines = show(monkeypatch, terminal=False).splitlines()
  assert lines[0] == '1/4 runs, time left unknown: a-run'
  assert lines[1] == '1/4 runs, 0:00:00 left: a-run, step 5/10'
  assert '\x1b' not in ''.join(lines)


def test_a_live_line_on_a_terminal(monkeypatch):
  text = show(monkeypatch, terminal=True)
  assert 'accuracy 0.9' in text and '\x1b' in text


def test_the_study_reports_to_stderr():
  assert ProgressDisplay(1, 0, 1.0).console.file is sys.stderr


LONG = 'resnet32-r0-ett-append-from-resnet20-level06 and 3 like it'
DETAILS = 'step 1234/5678', 'training accuracy 0.912'


@pytest.mark.parametrize('width', range(10, 140))
def test_a_line_fits_and_keeps_the_accuracy(width):
  head = '12/120 runs, 0:12:34 left: '
  text, bar = progress.fitted(head, LONG, DETAILS, width)
  assert len(text) + (progress.BAR + 1) * bar <= width
  if width >= len(DETAILS[1]):
    assert text.endswith('0.912')
  if width >= 80:
    assert text.startswith(head) and ' like it, ' in text
  assert (DETAILS[0] in text) == (width >= 84)
  assert bar == (width >= 101)


def test_what_a_terminal_shows_fits_it(monkeypatch):
  screen = io.StringIO()
  monkeypatch.setattr(
    progress,
    'Console',
    lambda file: Console(file=screen, force_terminal=True, width=60),
  )
  with ProgressDisplay(runs=40, finished=1, work=100.0) as display:
    display.advance(LONG, 50.0, *DETAILS)
    display.live.refresh()
  text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '\n', screen.getvalue())
  lines = [line.strip() for line in re.split(r'[\r\n]', text)]
  (line,) = {line for line in lines if '0.912' in line}
  assert len(line) <= 60 - progress.MARGIN


def time_left(work):
  now = [0.0]
  left = TimeLeft(work, clock=lambda: now[0])

  def at(seconds, more):
    now[0] = seconds
    if more is not None:
      left.add(more)
    return left.seconds()

  return at


def test_time_left_counts_down_and_rises_only_with_reason():
  at = time_left(100.0)
  assert at(1, None) is None and at(2, 1.9) is None
  assert at(10, 8.1) == 90
  assert at(12, None) == 88  # nothing new: it counts down
  assert at(21, 10) == pytest.approx(79)  # a little slower: still does
  assert at(60, 20) == pytest.approx(90)  # much slower: that is told
  assert at(70, 30) == pytest.approx(30)  # faster: at once
  assert at(110, None) == pytest.approx(110 * 3 / 7)  # it took too long
  assert at(120, 30) == 0
  assert time_left(0.0)(5, 0) == 0


def test_runs_without_steps_are_no_work(monkeypatch):
  screen = io.StringIO()
  monkeypatch.setattr(progress, 'Console', lambda file: Console(file=screen))
  monkeypatch.setattr(progress, 'QUIET_SECONDS', 0.0)
  with ProgressDisplay(runs=1, finished=0, work=0.0) as display:
    display.advance('a-run', 0.0)
  assert screen.getvalue() == '0/1 run, 0:00:00 left: a-run\n'


@pytest.mark.parametrize('terminal', [True, False])
def test_lines_on_a_terminal_that_is_not_utf8(monkeypatch, terminal):
  screen = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
  monkeypatch.setattr(
    progress,
    'Console',
    lambda file: Console(file=screen, force_terminal=terminal, width=78),
  )
  monkeypatch.setattr(progress, 'QUIET_SECONDS', 0.0)
  with ProgressDisplay(runs=2, finished=0, work=1.0) as display:
    display.advance('é', 1.0)
    display.say('90 ± 1')
    display.finish('[é]', 'accuracy 0.9')
  screen.flush()
  text = screen.buffer.getvalue().decode('ascii')
  assert '90 +- 1' in text and '\\xe9' in text
  assert ('[\\xe9]: accuracy' in text) == terminal


def test_a_line_that_changes_below_a_notebooks_cell(monkeypatch):
  shown = []

  class Output:
    def update(self, data, raw):
      shown.append(data['text/plain'])

  def display(data, raw, display_id):
    assert raw and display_id and data == {'text/plain': ''}
    return Output()

  notebook = types.ModuleType('IPython.display')
  notebook.display = display
  monkeypatch.setitem(sys.modules, 'IPython', types.ModuleType('IPython'))
  monkeypatch.setitem(sys.modules, 'IPython.display', notebook)
  screen = io.StringIO()
  monkeypatch.setattr(
    progress, 'Console', lambda file: Console(file=screen, force_jupyter=True)
  )
  monkeypatch.setattr(progress, 'NOTEBOOK_SECONDS', -1.0)
  with ProgressDisplay(runs=2, finished=0, work=2.0) as line:
    line.advance('a-run', 1.0)
    line.finish('a-run', 'accuracy 0.9')
    monkeypatch.setattr(progress, 'NOTEBOOK_SECONDS', 60.0)
    line.advance('other', 1.0)  # too soon
  assert shown == ['0/2 runs, 0:00:00 left: a-run', '1/2 runs']
  assert screen.getvalue() == ''
