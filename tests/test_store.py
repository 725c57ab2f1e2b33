import dataclasses
import os

import numpy as np
import pytest

from elth_jax.study import keys
from elth_jax.study.graph import build
from elth_jax.study.keys import Mended
from elth_jax.study.spec import StudySpec
from elth_jax.tickets.ticket import Ticket
from elth_jax.training.recipe import Recipe
from elth_jax.workdir.store import OutdatedError, Store, StoreError

RESULT = {'test_accuracy': 0.5, 'diverged_at': None}
TRAINED = Ticket(
  architecture={},
  params={'head': {'kernel': np.arange(4.0)}},
  batch_stats={},
  masks={'head': {'kernel': np.ones(4, bool)}},
  state='trained',
)


@pytest.fixture
def node(dataset):
  spec = StudySpec(
    dataset='tiny',
    sources=('mlp2',),
    targets=('mlp3',),
    recipe=Recipe(batch_size=8, epochs=2, drop_epochs=(), rewind_step=1),
    width=6,
    levels=1,
    compare_levels=(1,),
  )
  return build(spec, {dataset.name: dataset})['mlp3-r0-dense']


def test_a_run_is_published_whole(tmp_path, node):
  store = Store(tmp_path)
  assert not store.finished(node)
  store.partial(node).mkdir(parents=True)
  store.publish_run(node, RESULT, {}, TRAINED)
  assert store.finished(node) and not store.partial(node).exists()
  again = Store(tmp_path)
  assert again.result(node) == RESULT
  np.testing.assert_array_equal(
    again.trained(node).params['head']['kernel'],
    TRAINED.params['head']['kernel'],
  )


@pytest.mark.parametrize('fails_at', range(1, 8))
def test_a_failure_at_any_file_operation_publishes_nothing(
  tmp_path, node, monkeypatch, fails_at
):
  store, calls = Store(tmp_path), []
  for name in ('replace', 'fsync'):
    original = getattr(os, name)

    def failing(*arguments, original=original):
      calls.append(arguments)
      if len(calls) == fails_at:
        raise OSError(28, 'No space left on device')
      return original(*arguments)

    monkeypatch.setattr(os, name, failing)
  with pytest.raises(OSError, match='No space'):
    store.publish_run(node, RESULT, {}, TRAINED)
  monkeypatch.undo()
  assert not store.finished(node)
  store.publish_run(node, RESULT, {}, TRAINED)
  assert store.finished(node) and store.result(node) == RESULT


def test_products_of_other_settings_are_refused(tmp_path, node):
  store = Store(tmp_path)
  store.publish_run(node, RESULT, {}, TRAINED)
  with pytest.raises(StoreError, match='another mlp3-r0-dense'):
    store.finished(dataclasses.replace(node, key='other', earlier=()))


def test_products_of_a_mended_method_are_outdated(tmp_path, node, monkeypatch):
  change = Mended('SNIP counts biases', 'snip', 2)
  monkeypatch.setattr(keys, 'MENDED', (change,))
  store = Store(tmp_path)
  store.publish_run(node, RESULT, {}, TRAINED)
  mended = dataclasses.replace(node, key='new', earlier=(node.key,))
  with pytest.raises(OutdatedError, match='before this changed: SNIP counts'):
    store.finished(mended)
