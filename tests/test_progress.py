import io
import sys
import types

import pytest
from rich.console import Console

from elth_jax.runner import progress
from elth_jax.runner.progress import ProgressDisplay


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
    display.advance('a-run, step 5/10', 49.0)
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
