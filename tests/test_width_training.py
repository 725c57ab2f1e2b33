"""What training does with twin channels: equal for ever, or not."""

import dataclasses

import jax
import numpy as np
import pytest

from elth_jax.families import architecture
from elth_jax.masks import apply_masks
from elth_jax.methods import lottery
from elth_jax.tickets import widths
from elth_jax.training.loop import fit
from elth_jax.training.trainer import Trainer
from elth_jax.trees import flatten
from tests.conftest import make_dataset

STEPS = 60


@pytest.fixture(scope='module', params=['mlp2', 'resnet8'])
def trained(request, recipe):
  """(narrow, {variant: (wide ticket, its parameters after training)})."""
  dataset = make_dataset(size=6, channels=3)
  width = 9 if request.param == 'mlp2' else 2
  net = architecture(request.param, dataset.image_shape, 3, width)
  dense = lottery.dense_ticket(net, **net.init(0))
  narrow = lottery.next_level(dense, dense, dense.params, 0.3)
  wide = dataclasses.replace(net, width=2 * width)
  long = dataclasses.replace(recipe, epochs=20, drop_epochs=(19,), l2=1e-4)
  trainer = Trainer(wide, long, dataset)
  found = {}
  for variant in ('replicate', 'uneven'):
    ticket = widths.widen(narrow, variant)
    (state,), _ = fit(trainer, [trainer.start(ticket, 0)], [0], STEPS)
    assert int(state.step) == STEPS
    found[variant] = ticket, jax.tree.map(np.asarray, state.params)
  return narrow, found


def apart(params, narrow):
  """Leaf -> the largest difference of twin channels, on any axis."""
  sizes = {}
  for name, leaf in flatten(params).items():
    for axis, size in enumerate(flatten(narrow)[name].shape):
      if leaf.shape[axis] == 2 * size:
        pairs = np.moveaxis(leaf, axis, 0).reshape(size, 2, -1)
        off = np.abs(pairs[:, 0] - pairs[:, 1]).max()
        sizes[name] = max(sizes.get(name, 0), float(off))
  return sizes


def test_twins_of_replicate_stay_equal_for_ever(trained):
  """So the doubled width is never used."""
  narrow, found = trained
  ticket, params = found['replicate']
  moved = [
    np.abs(leaf - flatten(ticket.params)[name]).max()
    for name, leaf in flatten(params).items()
  ]
  assert min(moved) > 1e-3
  found = apart(params, narrow.params)
  assert len(found) > 5 and set(found.values()) == {0.0}


def test_uneven_twins_part(trained):
  narrow, found = trained
  ticket, params = found['uneven']
  # what starts equal: biases and BN, since kernels are divided unevenly
  before, after = (
    apart(ticket.params, narrow.params),
    apart(params, narrow.params),
  )
  equal = [name for name, size in before.items() if size == 0]
  assert len(equal) > 2
  assert min(after[name] for name in equal) > 1e-4


def test_zeros_under_masks_stay_zeros(trained):
  narrow, found = trained
  for ticket, params in found.values():
    jax.tree.map(
      np.testing.assert_array_equal, apply_masks(params, ticket.masks), params
    )
    assert ticket.sparsity == pytest.approx(
      widths.widen(narrow).sparsity, abs=1e-12
    )
