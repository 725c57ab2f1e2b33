"""`elth-jax watch`: how far a study is, from its files alone."""

import json
import os
import platform
import shutil
import time

import pytest

from elth_jax.cli import watch
from elth_jax.runner import session
from elth_jax.study.config import base_config
from elth_jax.training.recipe import Recipe
from elth_jax.workdir import leases, lock, outputs, watching
from elth_jax.workdir.watching import Watcher

CONFIG = {
  'dataset': 'digits',
  'sources': ('mlp3',),
  'targets': ('mlp3',),
  'width': 6,
  'levels': 2,
  'compare_levels': (1, 2),
  'replicates': 1,
  'methods': ('imp',),
}


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  root = tmp_path_factory.mktemp('watched') / 'w'
  recipe = Recipe(batch_size=512, epochs=2, drop_epochs=(), rewind_step=1)
  session.run(base_config(recipe=recipe, **CONFIG), root)
  return root


def contents(root):
  return {
    path: (path.stat().st_mtime_ns, path.read_bytes())
    for path in sorted(root.rglob('*'))
    if path.is_file()
  }


def test_a_finished_study_is_left_as_it_is(finished, capsys):
  before = contents(finished)
  assert watch.main([str(finished)]) == 0
  assert capsys.readouterr().out == (
    '4 of 4 runs finished; the study is done\n'
  )
  assert contents(finished) == before
  status = Watcher(finished).status()
  assert (status.runs, status.finished, status.closed) == (4, 4, True)
  assert status.training == () and status.note == ''


@pytest.fixture
def half(finished, tmp_path):
  """The study as it would stand in the middle of its last run."""
  root = tmp_path / 'w'
  shutil.copytree(finished, root)
  name = 'mlp3-r0-imp-level02'
  shutil.rmtree(root / 'runs' / name)
  (root / 'manifest.json').unlink(missing_ok=True)
  path = root / watching.METRICS[0]
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  now = time.time()
  kept = [line for line in lines if line['node'] != name]
  last = lines[-1]
  kept.append(
    {**last, 'node': name, 'step': 3, 'train_accuracy': 0.5, 'time': now}
  )
  path.write_text(''.join(json.dumps(line) + '\n' for line in kept))
  lock_text = json.dumps({'pid': 7, 'host': 'there'})
  (root / lock.OWNER).write_text(lock_text)
  return root, name


def test_a_study_that_goes_on(half, capsys):
  root, name = half
  watcher = Watcher(root)
  status = watcher.status()
  assert (status.finished, status.closed) == (3, False)
  (one,) = status.training
  assert (one.name, one.step, one.accuracy) == (name, 3, 0.5)
  assert one.stop is not None and one.stop > 3
  assert status.seconds_left is not None and status.seconds_left >= 0
  with (root / watching.METRICS[0]).open('a') as file:
    line = {'node': name, 'step': 4, 'time': time.time(), 'seconds': 0.1}
    file.write(json.dumps({**line, 'loss': 1.0, 'train_accuracy': 0.75}))
    file.flush()
    assert watcher.status().training[0].step == 3  # the line is not whole
    file.write('\nno JSON\n')
  assert watcher.status().training[0].accuracy == 0.75
  assert watch.main([str(root), '--once']) == 0
  out = capsys.readouterr().out.splitlines()
  assert out[0].startswith('3 of 4 runs finished; process 7 on there works on')
  assert out[0].endswith(' left')
  assert out[1].startswith('  accuracy 0.750, loss 1.000, step 4/')
  assert out[1].endswith(f': {name}')


def test_a_study_that_was_killed_or_rests(half, capsys, monkeypatch):
  root, _ = half
  monkeypatch.setattr(watch, 'OLD', -1.0)
  assert watch.main([str(root)]) == 0
  assert 'or was killed: nothing new for 0:00:0' in capsys.readouterr().out
  monkeypatch.setattr(watch, 'OLD', 600.0)
  here = json.dumps({'pid': 7, 'host': platform.node()})
  (root / lock.OWNER).write_text(here)
  (root / lock.LOCK).touch()
  assert watch.main([str(root)]) == 0
  assert '; process 7 on ' in (out := capsys.readouterr().out)
  assert 'was killed, and nobody works on it now' in out
  with lock.owned(root):
    assert watch.main([str(root)]) == 0
  assert f'; process {os.getpid()} on ' in (out := capsys.readouterr().out)
  assert 'works on it, ' in out
  assert watch.main([str(root)]) == 0  # it has let go
  assert '; nobody works on it now' in capsys.readouterr().out


def test_processes_that_share_a_workdir_are_named(half, capsys):
  root, _ = half
  (root / lock.OWNER).unlink()
  with lock.shared(root, 60.0):
    assert watch.main([str(root)]) == 0
    assert f'; process {os.getpid()} on ' in capsys.readouterr().out
    (path,) = (root / leases.FOLDER / 'owners').glob('[!.]*.json')
    values = json.loads(path.read_bytes())
    gone = {**values, 'pid': 1 << 30}
    path.write_text(json.dumps(gone))
    status = Watcher(root).status()
  assert not status.owner and status.killed.startswith(f'process {1 << 30} on')


def test_several_processes_write_files_of_their_own(half):
  root, name = half
  watcher = Watcher(root)
  assert watcher.status().training[0].accuracy == 0.5
  (root / 'metrics').mkdir()
  line = {'node': name, 'step': 5, 'time': time.time() + 1, 'seconds': 0.1}
  text = json.dumps({**line, 'loss': 1.0, 'train_accuracy': 0.25}) + '\n'
  (root / 'metrics' / f'{name}.1.jsonl').write_text(text)
  before = watcher.status()
  assert before.training[0].accuracy == 0.25
  with (root / watching.METRICS[0]).open('a') as file:  # it is moved there
    file.write(text)
  after = watcher.status()  # and counts no second time
  assert after.seconds_left == before.seconds_left is not None
  assert after.training[0].step == 5


def test_totals_are_unknown_where_names_are_registered_elsewhere(half, capsys):
  root, _ = half
  config = json.loads((root / 'config.json').read_text())
  config['targets'] = config['sources'] = ['mine3']
  (root / 'config.json').write_text(json.dumps(config))
  assert watch.main([str(root)]) == 0
  out = capsys.readouterr().out
  assert out.startswith('2 runs finished;') and "family 'mine'" in out


def test_no_study_is_one_line(tmp_path, capsys):
  assert watch.main([str(tmp_path)]) == 1
  assert 'holds no study' in capsys.readouterr().err
  for wrong in ('0', 'x', 'nan'):
    with pytest.raises(SystemExit):
      watch.main([str(tmp_path), f'--every={wrong}'])


def test_a_live_look_ends_with_the_study(half, finished, monkeypatch):
  root, _ = half
  shown = []

  class Display:
    def __init__(self, renderable, console):
      shown.append(str(renderable))

    def __enter__(self):
      return self

    def __exit__(self, *error):
      return None

    def update(self, renderable):
      shown.append(str(renderable))

  monkeypatch.setattr('rich.live.Live', Display)
  monkeypatch.setattr('rich.console.Console.is_terminal', True)

  def finish(seconds):
    del seconds
    shutil.rmtree(root)
    shutil.copytree(finished, root)

  monkeypatch.setattr(watch.time, 'sleep', finish)
  monkeypatch.setattr(os, 'environ', dict(os.environ))
  assert watch.main([str(root)]) == 0
  assert '3 of 4' in shown[0] and 'the study is done' in shown[-1]


def test_what_failed_of_itself_is_said_once():
  failed = {
    'a': 'diverged at step 1',
    'c': outputs.failed_since('b'),
    'b': outputs.failed_since('a'),
    'd': 'needs more memory',
  }
  assert list(outputs.failures(failed)) == [
    'FAILED a: diverged at step 1; 2 nodes need it',
    'FAILED d: needs more memory',
  ]
  assert outputs.first_failure(failed, 'c') == 'a'
