import jax
import pytest

from elth_jax.datasets import outline
from elth_jax.families import architecture
from elth_jax.runner.trainers import Trainers
from elth_jax.study.config import base_config
from elth_jax.study.graph import build
from elth_jax.study.nodes import Run
from elth_jax.study.parallel import Parallel
from elth_jax.study.spec import read_config
from elth_jax.training.recipe import Recipe

NET = architecture('resnet8', (8, 8, 3), 3, 2)


@pytest.mark.parametrize(
  ('text', 'lanes', 'devices', 'share'),
  [
    ('auto', 2, 2, None),
    ('tickets', 2, 2, False),
    ('batch', 1, 2, True),
    ('1', 1, 2, None),
    ('5', 5, 2, None),
  ],
)
def test_ways_to_run_tickets(text, lanes, devices, share):
  parallel = Parallel.parse(text)
  assert str(parallel) == text
  placed = parallel.placement(NET, 8)
  assert parallel.lanes(NET, 8) == lanes
  assert (len(placed['devices']), placed['split_batches']) == (devices, share)
  assert len(placed['devices']) * placed['per_device'] >= lanes


def test_memory_limits_tickets_on_an_accelerator(monkeypatch):
  class Device:
    platform = 'gpu'

    def memory_stats(self):
      return {'bytes_limit': 2 * 4 * 4 * NET.outputs() * 8 * 3}  # half: three

  monkeypatch.setattr(jax, 'local_devices', lambda: [Device(), Device()])
  assert Parallel.parse('auto').lanes(NET, 8) == 2 * 3
  assert Parallel.parse('auto').lanes(NET, 8000) == 2  # at least one on each
  # no place is empty in which a replicate could be
  for replicates, lanes in ((1, 2), (3, 4), (4, 4), (9, 6)):
    found = Parallel.parse('auto').lanes(NET, 8, replicates=replicates)
    assert found == lanes


def test_a_study_trains_its_replicates_together_on_a_gpu(monkeypatch):
  class Device:
    platform = 'gpu'

    def memory_stats(self):
      return {'bytes_limit': 2**40}

  monkeypatch.setattr(jax, 'local_devices', lambda: [Device()])
  config = base_config(
    dataset='cifar10',
    sources=('mlp3',),
    targets=('mlp3',),
    levels=1,
    compare_levels=(1,),
    methods=('imp',),
    replicates=3,
    recipe=Recipe(epochs=2, drop_epochs=(), rewind_step=1),
  )
  spec, options = read_config(config)
  data = {'cifar10': outline('cifar10')}
  nodes = build(spec, data)
  trainers = Trainers(nodes, data, options)
  run = next(node for node in nodes.values() if isinstance(node, Run))
  assert trainers.lanes(run) == 3
  assert trainers.placement(run)['per_device'] == 3


@pytest.mark.parametrize('text', ['', '0', '-1', 'all', '1.5'])
def test_other_words_are_refused(text):
  with pytest.raises(ValueError, match='auto, tickets, batch or a number'):
    Parallel.parse(text)


@pytest.mark.parametrize(
  'values', [(-1,), (4097,), (2, True), (2, False), (0, True)]
)
def test_only_what_the_option_can_say_is_a_value(values):
  with pytest.raises(ValueError, match='auto, tickets, batch or a number'):
    Parallel(*values)
