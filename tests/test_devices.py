"""The same training on one and on eight simulated devices."""

import subprocess
import sys

import flax.linen as nn
import jax
import numpy as np
import pytest

from elth_jax.families import architecture
from elth_jax.families.family import FAMILIES, Family
from elth_jax.training.trainer import Trainer

# batches of 9 and the last of 4 over 8 and over 2 devices; 3 tickets
TRAIN = """
import dataclasses, sys
import numpy as np
import jax
from elth_jax import families
from elth_jax.methods import lottery
from elth_jax.training.loop import fit
from elth_jax.training.recipe import Recipe
from elth_jax.training.trainer import Trainer
from elth_jax.trees import flatten
from tests.conftest import make_dataset

jax.config.update('jax_num_cpu_devices', int(sys.argv[2]))
dataset = make_dataset(channels=3)
net = families.architecture('resnet8', dataset.image_shape, 3, 2)
recipe = Recipe(batch_size=9, epochs=3, drop_epochs=(2,), rewind_step=1,
                crop_padding=1)
tickets = [lottery.dense_ticket(net, **net.init(seed)) for seed in (0, 1, 2)]
tickets[1] = lottery.next_level(tickets[1], tickets[1], tickets[1].params, 0.5)
trainer = Trainer(net, recipe, dataset, jax.local_devices(), split_batches=True)
found = {}
for some in ([0], [0, 1, 2]):
  for first in range(0, len(some), trainer.lanes):
    part = some[first:first + trainer.lanes]
    states = [trainer.start(tickets[n], 0) for n in part]
    trained, evaluations = fit(trainer, states, part, 4)
    for n, state, evaluation in zip(part, trained, evaluations):
      for name, leaf in flatten(state.params).items():
        found[f'{len(some)}/{n}/{name}'] = leaf
      for name, leaf in flatten(state.batch_stats).items():
        found[f'{len(some)}/{n}/stats/{name}'] = leaf
      found[f'{len(some)}/{n}/loss'] = evaluation.loss
found['devices'] = jax.local_device_count()
found['share'] = trainer.devices_per_ticket(1)
np.savez(sys.argv[1], **found)
"""


def train(path, devices):
  subprocess.run(
    [sys.executable, '-c', TRAIN, str(path), str(devices)],
    check=True,
    timeout=300,
  )
  return dict(np.load(path))


@pytest.mark.slow
def test_one_and_eight_devices_agree(tmp_path):
  """One ticket over all; three tickets with two devices each."""
  one, eight = (train(tmp_path / f'{n}.npz', n) for n in (1, 8))
  assert (one.pop('devices'), eight.pop('devices')) == (1, 8)
  assert (one.pop('share'), eight.pop('share')) == (1, 8)
  assert one.keys() == eight.keys()
  for name, values in one.items():
    np.testing.assert_allclose(
      values, eight[name], rtol=2e-3, atol=1e-4, err_msg=name
    )
    if '/kernel' in name:  # pruned weights are zero wherever they are trained
      np.testing.assert_array_equal(values == 0, eight[name] == 0)
    # alone or beside others on one device: the same bits
    if name.startswith('1/'):
      np.testing.assert_array_equal(values, one['3/' + name[2:]])


@pytest.mark.slow
def test_only_long_steps_and_own_layers_are_shared(net, recipe, dataset):
  two = jax.local_devices()[:2]
  assert (
    Trainer(net, recipe, dataset, two, split_batches=True).devices_per_ticket(1)
    == 2
  )
  assert (
    Trainer(net, recipe, dataset, two, split_batches=True).devices_per_ticket(2)
    == 1
  )
  assert Trainer(net, recipe, dataset, two).devices_per_ticket(1) == 1  # short


class Plain(nn.Module):
  classes: int

  @nn.compact
  def __call__(self, images, valid=None, train=False):
    return nn.Dense(self.classes, name='head')(images.reshape(len(images), -1))


def test_layers_of_others_are_never_shared(recipe, dataset, monkeypatch):
  family = Family(
    name='plain',
    width=1,
    depths=lambda number: {'stage1': number},
    module=lambda net, backend: Plain(net.classes),
  )
  monkeypatch.setitem(FAMILIES, 'plain', family)
  net = architecture('plain1', dataset.image_shape, dataset.classes)
  assert not net.is_own
  two = jax.local_devices()[:2]
  assert (
    Trainer(net, recipe, dataset, two, split_batches=True).devices_per_ticket(1)
    == 1
  )
