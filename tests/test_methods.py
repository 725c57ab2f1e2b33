import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax.dynamic import erk_counts
from elth_jax.elastic.plan import Plan
from elth_jax.elastic.rules import Rule
from elth_jax.families import Architecture, architecture
from elth_jax.masks import counts, layer_densities
from elth_jax.methods import (
  METHODS,
  Pruning,
  Setting,
  Sparse,
)
from elth_jax.methods.lottery import dense_ticket, next_level
from elth_jax.pruners import grasp_scores, select, snip_scores
from elth_jax.transfers import Transfer
from elth_jax.transfers.depth import Depth
from elth_jax.trees import flatten
from tests.conftest import make_dataset

DATASET = make_dataset()
MATCHED = (
  'reinit', 'random', 'magnitude', 'snip', 'grasp', 'synflow',
  'reinit_local', 'reinit_global', 'rigl', 'rigl_x5', 'set',
  'random_longer',
)  # fmt: skip


@functools.cache
def source():
  """A ticket of ResNet-14 at 60%, and its dense rewind weights."""
  net = architecture('resnet14', DATASET.image_shape, DATASET.classes, 2)
  dense = dense_ticket(net, **net.init(5))
  return dense, next_level(dense, dense, dense.params, 0.6)


def make(name, dense, ticket, order='append', **settings):
  origin, found = source()
  steps = (Depth('resnet20', Rule.parse(order)),)
  setting = Setting(
    **{
      'transfer': Transfer(steps),
      'level': 1,
      'seed': 0,
      'dataset': DATASET,
      'batch_size': 8,
      'pruning': Pruning(synflow_rounds=5),
      **settings,
    },
  )
  roles = {
    'rewind': dense,
    'imp': ticket,
    'source': found,
    'source_rewind': origin,
  }
  method = METHODS[name]
  return method.make({role: roles[role] for role in method.needs}, setting)


@pytest.mark.parametrize('name', MATCHED)
def test_baselines_match_the_sparsity_of_imp(tickets, name):
  dense, sparse = tickets
  assert counts(make(name, dense, sparse).masks) == counts(sparse.masks)


def test_reinit_keeps_the_mask_and_draws_all_weights_anew(tickets):
  dense, sparse = tickets
  made = make('reinit', dense, sparse)
  for name, mask in flatten(made.masks).items():
    if mask is not None:
      np.testing.assert_array_equal(mask, flatten(sparse.masks)[name])
  for name in ('stem/kernel', 'head/bias', 'stem_bn/scale'):
    assert not np.array_equal(
      flatten(made.params)[name], flatten(dense.params)[name]
    )
  assert np.all(made.batch_stats['stem_bn']['mean'] == 0)


def test_random_shuffles_within_layers_over_dense_rewind_weights(tickets):
  dense, sparse = tickets
  made = make('random', dense, sparse)
  assert layer_densities(made.masks) == layer_densities(sparse.masks)
  other = make('random', dense, sparse, seed=1)
  for name in ('stage3/block0/conv1/kernel', 'stage2/block0/conv2/kernel'):
    mask = flatten(made.masks)[name]
    assert not np.array_equal(mask, flatten(sparse.masks)[name])
    assert not np.array_equal(mask, flatten(other.masks)[name])
    # active weights are the dense ones, not those that IMP left
    np.testing.assert_array_equal(
      flatten(made.params)[name], np.where(mask, flatten(dense.params)[name], 0)
    )
    assert np.all(flatten(made.params)[name][mask] != 0)


def test_magnitude_keeps_the_largest_globally(tickets):
  dense, sparse = tickets
  made = make('magnitude', dense, sparse)
  kept, cut = [], []
  for name, mask in flatten(made.masks).items():
    if mask is not None:
      sizes = np.abs(flatten(dense.params)[name])
      kept.append(sizes[mask])
      cut.append(sizes[~mask])
  assert np.concatenate(kept).min() >= np.concatenate(cut).max()


def test_ett_transforms_the_source(tickets):
  made = make('ett', *tickets)
  assert Architecture.from_json(made.architecture).name == 'resnet20'
  assert made.provenance['plan'] == '0:0;1:1,2'


CONTROLS = (
  'ett_reinit',
  'ett_random_masks',
  'ett_all_random',
  'ett_snip_replicas',
  'ett_permuted_replicas',
)
UNIT1, REPLICA = (f'stage3/block{n}/conv2/kernel' for n in (1, 2))


def is_source_weight(name, made):
  """Whether kept weights are those of the transformed dense source."""
  plan = Plan.parse('0:0;1:1,2', stages=3)
  dense = flatten(plan.apply(source()[0].params))[name]
  kept = flatten(made.masks)[name]
  return np.array_equal(flatten(made.params)[name][kept], dense[kept])


@pytest.mark.parametrize('name', CONTROLS)
def test_controls_of_the_figures(tickets, name):
  """(masks of originals, masks of replicas, weights) that stay as in ETT."""
  expected = {
    'ett_reinit': (True, True, False),
    'ett_random_masks': (False, False, True),
    'ett_all_random': (False, False, False),
    'ett_snip_replicas': (True, False, True),
    'ett_permuted_replicas': (True, False, True),
  }[name]
  ett = make('ett', *tickets)
  made = make(name, *tickets)
  found = [
    np.array_equal(flatten(made.masks)[leaf], flatten(ett.masks)[leaf])
    for leaf in (UNIT1, REPLICA)
  ]
  found.append(
    is_source_weight(UNIT1, made) and is_source_weight(REPLICA, made)
  )
  assert tuple(found) == expected
  assert counts(made.masks) == counts(ett.masks)
  if name != 'ett_snip_replicas':
    assert layer_densities(made.masks) == layer_densities(ett.masks)
  other = make(name, *tickets, seed=1)
  if name not in ('ett_snip_replicas',):
    assert not all(
      map(
        np.array_equal,
        map(np.asarray, flatten(made.params).values()),
        flatten(other.params).values(),
      )
    )


def test_permuted_masks_of_oneticket(tickets):
  _, sparse = tickets
  preserved, local, all_ = (
    make(n, *tickets) for n in ('reinit', 'reinit_local', 'reinit_global')
  )
  assert layer_densities(preserved.masks) == layer_densities(sparse.masks)
  assert layer_densities(local.masks) == layer_densities(sparse.masks)
  assert layer_densities(all_.masks) != layer_densities(sparse.masks)
  name = 'stage3/block0/conv1/kernel'
  masks = [flatten(t.masks)[name] for t in (preserved, local, all_, sparse)]
  assert np.array_equal(masks[0], masks[3])
  assert not np.array_equal(masks[1], masks[3])


def test_rigl_starts_from_erk_on_dense_rewind_weights(tickets):
  dense, sparse = tickets
  made = make('rigl', dense, sparse)
  masks = {n: m for n, m in flatten(made.masks).items() if m is not None}
  keep = counts(sparse.masks)[0]
  wanted = erk_counts({n: m.shape for n, m in masks.items()}, keep)
  assert {n: m.sum() for n, m in masks.items()} == wanted
  assert made.provenance['keep'] == keep
  uniform = make('rigl', dense, sparse, sparse=Sparse(distribution='uniform'))
  assert flatten(uniform.masks)['stem/kernel'].all()
  assert METHODS['rigl_x5'].times == 5


def test_dynamic_methods_draw_masks_of_their_own(tickets):
  """A longer training starts where the shorter one does."""
  rigl, longer, random = (
    make(name, *tickets) for name in ('rigl', 'rigl_x5', 'set')
  )
  same = [
    jax.tree.all(jax.tree.map(np.array_equal, rigl.masks, other.masks))
    for other in (longer, random)
  ]
  assert same == [True, False]


def test_dpf_starts_dense(tickets):
  dense, sparse = tickets
  made = make('dpf', dense, sparse)
  assert made.sparsity == 0
  assert made.provenance['keep'] == counts(sparse.masks)[0]


def test_scores_see_as_much_data_as_asked(tickets):
  """One batch, or a whole epoch with its partial batch."""
  setting = Setting(1, 0, DATASET, 8)
  assert [len(labels) for _, labels in setting.batches()] == [8]
  whole = Setting(1, 0, DATASET, 8, Pruning(batches=0))
  assert [len(labels) for _, labels in whole.batches()] == [8, 8, 6]
  one = make('snip', *tickets)
  more = make('snip', *tickets, pruning=Pruning(batches=0))
  name = 'stage3/block0/conv1/kernel'
  assert not np.array_equal(flatten(one.masks)[name], flatten(more.masks)[name])


def test_grasp_may_rank_by_absolute_values(tickets):
  plain = make('grasp', *tickets)
  absolute = make('grasp', *tickets, pruning=Pruning(grasp_absolute=True))
  name = 'stage3/block0/conv1/kernel'
  assert not np.array_equal(
    flatten(plain.masks)[name], flatten(absolute.masks)[name]
  )


def test_grasp_sees_the_masked_weights_alone():
  """A weight pruned before is absent for the scores of the others."""
  net = architecture('mlp2', DATASET.image_shape, DATASET.classes, 30)
  dense = dense_ticket(net, **net.init(0))
  thin = next_level(dense, dense, dense.params, 0.5)
  thinner = next_level(thin, thin, thin.params, 0.5)
  made = make('grasp', thin, thinner)
  setting = Setting(1, 0, DATASET, 8)
  scores = grasp_scores(
    net.module().apply,
    {'params': thin.params},
    setting.batches(),
    masks=thin.masks,
  )
  wanted = select(
    scores,
    thin.masks,
    counts(thinner.masks)[0],
    never_pruned=net.family.is_never_pruned,
  )
  for name, mask in flatten(made.masks).items():
    np.testing.assert_array_equal(mask, flatten(wanted)[name])


def test_snip_is_compiled_once_for_all_levels_and_replicates(tickets):
  for name in ('snip', 'grasp'):
    make(name, *tickets)  # compiles
  compiled = []
  jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: compiled.append(event)
  )
  make('snip', *tickets, level=2, seed=1)
  make('grasp', *tickets, level=2, seed=1)
  assert not [e for e in compiled if 'backend_compile' in e]


@pytest.mark.parametrize(
  'name',
  [
    pytest.param('imagenet_resnet18', marks=pytest.mark.slow),
    'vgg13-2',
    pytest.param('mobilenet20', marks=pytest.mark.slow),
    'mlp3',
  ],
)
@pytest.mark.parametrize('method', ['snip', 'synflow'])
def test_scores_on_other_families(name, method):
  net = architecture(name, DATASET.image_shape, DATASET.classes, 3)
  dense = dense_ticket(net, **net.init(0))
  sparse = next_level(dense, dense, dense.params, 0.5)
  made = make(method, dense, sparse)
  assert counts(made.masks) == counts(sparse.masks)
  for leaf in net.family.never_pruned_leaves:
    assert flatten(made.masks)[leaf].all()


def test_bfloat16_weights_can_be_scored():
  net = architecture('mlp2', DATASET.image_shape, DATASET.classes, 30)
  params = net.init(0)['params']
  half = jax.tree.map(lambda p: jnp.asarray(p, jnp.bfloat16), params)
  batch = DATASET.normalize(DATASET.train_images[:8]), DATASET.train_labels[:8]
  apply = net.module().apply
  for score in (snip_scores, grasp_scores):
    one, other = (
      flatten(score(apply, {'params': p}, [batch]))['stage1/block0/fc/kernel']
      for p in (params, half)
    )
    assert np.corrcoef(np.ravel(one), np.ravel(other))[0, 1] > 0.9


def test_seeds_differ_by_level(tickets):
  one, two = (make('random', *tickets, level=k) for k in (1, 2))
  name = 'stage3/block0/conv1/kernel'
  assert not np.array_equal(flatten(one.masks)[name], flatten(two.masks)[name])
