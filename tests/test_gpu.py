"""On a GPU: what a CPU computes to rounding, and the same bits twice.

JAX_PLATFORMS=cuda,cpu python -m pytest -n 0 tests/test_gpu.py
"""

import csv
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from elth_jax.families import architecture
from elth_jax.methods import METHODS, Sparse, lottery
from elth_jax.nn.conv_backends import CONV_BACKENDS
from elth_jax.training.loop import fit
from elth_jax.training.trainer import Trainer
from elth_jax.trees import flatten
from tests.conftest import make_dataset

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
  jax.default_backend() != 'gpu', reason='JAX finds no GPU'
)


def trained(tickets, recipe, steps, device, **options):
  """Parameters, masks and losses after so many steps, side by side."""
  data = make_dataset(size=8, channels=3)
  net = architecture('resnet8', data.image_shape, data.classes, 2)
  trainer = Trainer(
    net, recipe, data, [device], per_device=len(tickets), **options
  )
  starts = [trainer.start(ticket, 2) for ticket in tickets]
  states, evaluations = fit(trainer, starts, range(len(tickets)), 2 + steps)
  return [
    {
      **flatten(state.params),
      **flatten(state.batch_stats),
      'masks': np.concatenate(
        [np.ravel(m) for m in flatten(state.masks).values() if m is not None]
      ),
      'loss': evaluation.loss,
    }
    for state, evaluation in zip(states, evaluations, strict=True)
  ]


@pytest.fixture(scope='module')
def colour_tickets():
  net = architecture('resnet8', (8, 8, 3), 3, 2)
  dense = lottery.dense_ticket(net, **net.init(0))
  return dense, lottery.next_level(dense, dense, dense.params, 0.5)


def assert_alike(found, wanted, **tolerance):
  for one, other in zip(found, wanted, strict=True):
    for name, values in other.items():
      np.testing.assert_allclose(one[name], values, err_msg=name, **tolerance)


@pytest.mark.parametrize('backend', ['nhwc', 'nhwc_each', 'nhwc_products'])
def test_steps_give_what_a_cpu_gives(colour_tickets, recipe, backend):
  cpu, gpu = jax.devices('cpu')[0], jax.devices('gpu')[0]
  form = CONV_BACKENDS[backend]
  wanted = trained(colour_tickets, recipe, 4, cpu, backend=form)
  found = trained(colour_tickets, recipe, 4, gpu, backend=form)
  assert_alike(found, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('method', ['rigl', 'set', 'dpf'])
def test_masks_change_as_on_a_cpu(colour_tickets, recipe, method):
  settings = {**METHODS[method].dynamic_settings(Sparse()), 'interval': 2}
  cpu, gpu = jax.devices('cpu')[0], jax.devices('gpu')[0]
  sparse = colour_tickets[1:]
  wanted = trained(sparse, recipe, 4, cpu, dynamic=settings)
  found = trained(sparse, recipe, 4, gpu, dynamic=settings)
  np.testing.assert_array_equal(found[0]['masks'], wanted[0]['masks'])
  assert_alike(found, wanted, rtol=1e-3, atol=1e-5)


def test_rounder_products_give_about_the_same(colour_tickets, recipe):
  gpu = jax.devices('gpu')[0]
  wanted = trained(colour_tickets, recipe, 2, gpu)
  exact = [one['loss'] for one in wanted]
  for change in ({'precision': 'tensorfloat32'}, {'dtype': 'bfloat16'}):
    other = dataclasses.replace(recipe, **change)
    rounded = [one['loss'] for one in trained(colour_tickets, other, 2, gpu)]
    np.testing.assert_allclose(rounded, exact, rtol=0.1)
    if 'dtype' in change:
      assert rounded != exact


def test_deterministic_training_gives_the_same_bits(colour_tickets, recipe):
  gpu = jax.devices('gpu')[0]
  runs = [
    trained(colour_tickets, recipe, 7, gpu, deterministic=True)
    for _ in range(2)
  ]
  for one, other in zip(*runs, strict=True):
    for name, values in one.items():
      np.testing.assert_array_equal(values, other[name], err_msg=name)


def test_a_study_runs_and_gives_the_same_bits_twice(tmp_path):
  """All methods that compute scores, those on the CPU too."""
  tables = []
  for name in ('one', 'two'):
    subprocess.run(
      [
        *(sys.executable, '-m', 'elth_jax.main'),
        '--config=configs/digits.py',
        f'--workdir={tmp_path / name}',
        '--config.deterministic=True',
        "--config.targets=('resnet14',)",
        '--config.replicates=1',
        '--config.levels=2',
        '--config.compare_levels=(2,)',
        '--config.recipe.epochs=2',
        '--config.recipe.drop_epochs=()',
        "--config.methods=('imp','ett','random','snip','grasp','synflow')",
      ],
      cwd=ROOT,
      check=True,
      timeout=400,
      env={
        **os.environ,
        'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path]),
        'XLA_PYTHON_CLIENT_MEM_FRACTION': '0.2',  # this process has the most
      },
    )
    with (tmp_path / name / 'results.csv').open() as file:
      tables.append(list(csv.DictReader(file)))
  assert tables[0]
  assert tables[0] == tables[1]
