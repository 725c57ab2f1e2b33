"""Numbers that cannot work are refused where they are first seen."""

import dataclasses
import math

import pytest

from elth_jax.datasets.read_ahead import Reading
from elth_jax.methods import Pruning, Sparse
from elth_jax.study.spec import Analyses, RunOptions, StudySpec
from elth_jax.training.recipe import CIFAR_RESNET, Recipe

STUDY = {
  'dataset': 'digits',
  'sources': ('mlp3',),
  'targets': ('mlp2',),
  'recipe': CIFAR_RESNET,
}
SETTINGS = (Recipe, Pruning, Sparse, Analyses, Reading, RunOptions, StudySpec)


def make(cls, **values):
  return cls(**{**(STUDY if cls is StudySpec else {}), **values})


def numbers(kind):
  return [
    (cls, field.name)
    for cls in SETTINGS
    for field in dataclasses.fields(cls)
    if type(field.default) is kind
  ]


@pytest.mark.parametrize(('cls', 'name'), numbers(float))
@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf, -1.0])
def test_floats_that_cannot_work_are_refused(cls, name, value):
  with pytest.raises(ValueError, match=name):
    make(cls, **{name: value})


@pytest.mark.parametrize(('cls', 'name'), numbers(int))
@pytest.mark.parametrize('value', [-1, 2**40])
def test_counts_that_cannot_work_are_refused(cls, name, value):
  with pytest.raises(ValueError, match=name):
    make(cls, **{name: value})


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    ({'drop_epochs': (80, 80)}, r'drop_epochs is \(80, 80\); give distinct'),
    ({'drop_epochs': (-1,)}, 'drop_epochs is -1'),
    ({'momentum': 1.0}, 'momentum is 1.0; it must be at least 0 and below 1'),
    ({'learning_rate': 0}, 'learning_rate is 0.0; it must be above 0'),
    ({'warmup_epochs': 161}, 'warmup_epochs is 161'),
    ({'batch_size': 0}, 'batch_size is 0'),
  ],
)
def test_recipes_that_cannot_work_are_refused(values, message):
  with pytest.raises(ValueError, match=message):
    Recipe(**values)


def test_more_steps_than_int32_counts_are_refused():
  with pytest.raises(ValueError, match='int32'):
    Recipe(batch_size=1, epochs=2**20).total_steps(2**20)
