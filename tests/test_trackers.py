"""Programs beside that show how training goes."""

import sys
import types

import pytest

from elth_jax.runner import session, trackers
from elth_jax.study.config import base_config
from elth_jax.training.recipe import Recipe

RUNS = ['mlp3-r0-rewind', 'mlp3-r0-dense', 'mlp3-r0-imp-level01']


def run(root, tracker, **values):
  recipe = Recipe(batch_size=512, epochs=2, drop_epochs=(), rewind_step=1)
  config = base_config(
    dataset='digits',
    sources=('mlp3',),
    targets=('mlp3',),
    width=4,
    levels=1,
    compare_levels=(1,),
    methods=('imp',),
    replicates=1,
    recipe=recipe,
    tracker=tracker,
    **values,
  )
  return session.run(config, root)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_tensorboard_gets_an_event_file_for_each_run(tmp_path):
  pytest.importorskip('tensorboardX')
  from tensorboardX.proto import event_pb2  # pyrefly: ignore

  assert run(tmp_path, 'tensorboard')
  folder = tmp_path / 'tensorboard'
  assert sorted(path.name for path in folder.iterdir()) == sorted(RUNS)
  (file,) = (folder / RUNS[2]).iterdir()
  found = {}
  for record in records(file.read_bytes()):
    event = event_pb2.Event.FromString(record)
    for value in event.summary.value:
      found.setdefault(value.tag, []).append((event.step, value.simple_value))
  assert found.keys() == {
    'loss',
    'train_accuracy',
    'test_accuracy',
    'test_loss',
  }
  study = session.Study.open(tmp_path)
  row = next(row for row in study.results if row['node'] == RUNS[2])
  ((step, accuracy),) = found['test_accuracy']
  assert accuracy == pytest.approx(row['test_accuracy']) and step > 2
  assert all(0 < s <= step for s, _ in found['loss'])


def records(data):
  """The payloads of a file of TensorFlow records."""
  while data:
    size = int.from_bytes(data[:8], 'little')
    yield data[12 : 12 + size]
    data = data[16 + size :]


def test_results_are_the_same_with_and_without(tmp_path, monkeypatch):
  taken = []

  class Kept(trackers.Tracker):
    def __init__(self, root, config):
      taken.append((root.name, config['dataset']))

    def log(self, run, step, values):
      taken.append((run, step, sorted(values)))

    def finish(self, run, step, values):
      taken.append((run, 'finish', sorted(values)))

    def close(self):
      taken.append('close')

  try:
    trackers.register('kept', Kept, package='json')
    assert run(tmp_path / 'a', 'kept') and run(tmp_path / 'b', '')
  finally:
    trackers.TRACKERS.pop('kept', None)
  assert taken[0] == ('a', 'digits') and taken[-1] == 'close'
  for name in RUNS:
    assert any(t[0] == name and t[1] != 'finish' for t in taken)
    ended = [] if name.endswith('rewind') else ['test_accuracy', 'test_loss']
    assert (name, 'finish', ended) in taken
  one, other = (tmp_path / n / 'results.csv' for n in 'ab')
  assert one.read_bytes() == other.read_bytes()


def test_wandb_is_offline_without_an_account(tmp_path, monkeypatch):
  calls = []

  class Run:
    def define_metric(self, name, step_metric):
      calls.append((name, step_metric))

    def log(self, values):
      calls.append(values)

    def finish(self):
      calls.append('finish')

  def init(**given):
    calls.append(given)
    return Run()

  fake = types.ModuleType('wandb')
  fake.init = init  # pyrefly: ignore
  monkeypatch.setitem(sys.modules, 'wandb', fake)
  for name in ('WANDB_MODE', 'WANDB_API_KEY', 'WANDB_PROJECT'):
    monkeypatch.delenv(name, raising=False)
  with trackers.start('wandb', tmp_path / 'w', {'levels': 1}) as tracker:
    tracker.log('a', 1, {'loss': 0.5})
    tracker.finish('a', 2, {'test_accuracy': 0.25})
  assert calls[0]['mode'] == 'offline' and calls[0]['name'] == 'w'
  assert calls[0]['config'] == {'levels': 1}
  assert calls[1:] == [
    ('a/*', 'a/step'),
    {'a/step': 1, 'a/loss': 0.5},
    {'a/step': 2, 'a/test_accuracy': 0.25},
    'finish',
  ]
  monkeypatch.setenv('WANDB_API_KEY', 'x')
  trackers.start('wandb', tmp_path, {})
  assert calls[-1]['mode'] == 'online'
  monkeypatch.setenv('WANDB_MODE', 'disabled')
  trackers.start('wandb', tmp_path, {})
  assert calls[-1]['mode'] == 'disabled'


def test_one_that_is_not_there_is_refused_before_anything(
  tmp_path, monkeypatch
):
  with pytest.raises(session.ConfigError, match="did you mean 'tensorboard'"):
    run(tmp_path / 'w', 'tensorbord')
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  for name, package in (('tensorboard', 'tensorboardX'), ('wandb', 'wandb')):
    match = rf"needs {package}: pip install 'elth_jax\[{name}\]'"
    for dry_run in (False, True):
      with pytest.raises(session.ConfigError, match=match):
        run(tmp_path / 'w', name, dry_run=dry_run)
  assert not (tmp_path / 'w').exists()
