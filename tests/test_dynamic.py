"""RigL, SET and DPF by hand, and inside the compiled step."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from elth_jax.dynamic import (
  Training,
  dpf,
  erk_counts,
  gmp,
  make_dynamic,
  rigl,
  uniform_counts,
)
from elth_jax.dynamic.distribution import random_masks
from elth_jax.dynamic.dpf import kept_by_update
from elth_jax.dynamic.rigl import chance
from elth_jax.families import architecture
from elth_jax.masks import counts, layer_densities
from elth_jax.methods.lottery import dense_ticket, with_masks
from elth_jax.training.loop import fit
from elth_jax.training.sampling import draw_epoch
from elth_jax.training.trainer import Trainer
from elth_jax.trees import flatten

SGD = optax.trace(decay=0.9)


def test_rigl_by_hand_on_a_3x3_layer():
  """Five weights, f = 0.5: two go, two come, one of them back."""
  weights = np.array([[5.0, 0.1, 0], [0, -4, 0.2], [0, 3, 0]], np.float32)
  mask = weights != 0
  grads = np.array([[0, 0.3, 0.1], [9, 0, 0.9], [0.2, 0, 0.4]], np.float32)
  momentum = np.arange(9, dtype=np.float32).reshape(3, 3) + 1
  method = rigl(SGD, stop=400, interval=100, drop_fraction=1 - 1e-9)
  # cosine: at half of the window half of the fraction is left
  assert [bool(method.due(s)) for s in (0, 100, 150, 200, 400)] == [
    False, True, False, True, False,
  ]  # fmt: skip
  params, masks, state = method.update(
    200,
    {'bias': jnp.ones(2), 'w': jnp.asarray(weights)},
    {'bias': None, 'w': jnp.asarray(mask)},
    {'bias': jnp.ones(2), 'w': jnp.asarray(grads)},
    optax.TraceState({'bias': jnp.ones(2), 'w': jnp.asarray(momentum)}),
    {},
  )
  # 0.1 and 0.2 are dropped; 9 is the largest gradient, then 0.9, at 0.2
  wanted = np.array([[1, 0, 0], [1, 1, 1], [0, 1, 0]], bool)
  np.testing.assert_array_equal(masks['w'], wanted)
  np.testing.assert_allclose(params['w'], [[5, 0, 0], [0, -4, 0.2], [0, 3, 0]])
  kept = np.where(mask & wanted, momentum, 0)
  np.testing.assert_array_equal(state.trace['w'], kept)
  np.testing.assert_array_equal(state.trace['bias'], np.ones(2))
  assert masks['bias'] is None


def test_dense_layers_and_fractions_of_nothing_stay():
  method = rigl(SGD, stop=100, interval=10)
  for mask in (np.ones(4, bool), np.array([True, False, False, False])):
    weights = np.array([4.0, 3, 2, 1]) * mask
    params, masks, _ = method.update(
      10,
      {'w': jnp.asarray(weights)},
      {'w': jnp.asarray(mask)},
      {'w': jnp.arange(4.0)},
      SGD.init({'w': jnp.zeros(4)}),
      {},
    )
    np.testing.assert_array_equal(masks['w'], mask)
    np.testing.assert_array_equal(params['w'], weights)


@pytest.mark.parametrize('grow', ['gradient', 'random'])
@pytest.mark.parametrize('bad', [np.nan, -np.nan, np.inf, -np.inf])
def test_gradients_that_are_not_finite_change_no_count(grow, bad):
  """Finite ones are grown first, wherever the others are."""
  method = rigl(SGD, stop=1000, interval=1, drop_fraction=0.5, grow=grow)
  weights = jnp.array([4.0, 3, 2, 1, 0, 0, 0, 0])
  masks = {'w': weights != 0}
  state = {'seed': jnp.uint32(0)}
  for places in ([4], [0, 4, 5], [4, 5, 6, 7], range(8)):
    slopes = jnp.arange(8.0).at[jnp.array(places)].set(bad)
    _, new, _ = method.update(
      1, {'w': weights}, masks, {'w': slopes}, SGD.init(masks), state
    )
    assert int(new['w'].sum()) == 4
    assert new['w'][:3].all()  # one of four is dropped
    if grow == 'gradient' and places == [4]:
      assert new['w'][7]


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_weights_that_are_not_finite_are_dropped_first(bad):
  method = rigl(SGD, stop=1000, interval=1, drop_fraction=0.5)
  weights = {'w': jnp.array([bad, 3, 2, 1, 0, 0])}
  masks = {'w': jnp.arange(6) < 4}
  slopes = {'w': jnp.arange(6.0)}
  params, new, _ = method.update(
    1, weights, masks, slopes, SGD.init(weights), {}
  )
  np.testing.assert_array_equal(new['w'], [0, 1, 1, 1, 0, 1])
  np.testing.assert_array_equal(params['w'], [0, 3, 2, 1, 0, 0])


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_dpf_keeps_its_count_of_weights_that_are_not_finite(bad):
  method = dpf({'w': 6}, start=0, stop=8, interval=4)
  own = jax.tree.map(jnp.asarray, method.init(keep=3, seed=0))
  weights = {'w': jnp.array([1.0, bad, 3, bad, bad, bad])}
  new, _ = method.masks(8, weights, {'w': jnp.ones(6, bool)}, own)
  assert int(new['w'].sum()) == 3


def test_chance_is_uniform_and_depends_on_all_its_words():
  draw = np.asarray(chance(jnp.uint32(3), jnp.int32(100), 2, (50_000,)))
  assert draw.min() >= 0 and draw.max() < 1
  histogram, _ = np.histogram(draw, 20, (0, 1))
  assert np.abs(histogram - 2500).max() < 5 * np.sqrt(2500)
  assert abs(np.corrcoef(draw[:-1], draw[1:])[0, 1]) < 0.02
  for words in ((4, 100, 2), (3, 200, 2), (3, 100, 3)):
    other = np.asarray(
      chance(jnp.uint32(words[0]), jnp.int32(words[1]), words[2], (50_000,))
    )
    assert abs(np.corrcoef(draw, other)[0, 1]) < 0.02


def test_erk_against_a_worked_example():
  """A 3x3x4x4 conv (15/144... a weight) and a 10x10 linear layer.

  ERK weights are (3+3+4+4)/144 and (10+10)/100; to keep 51 of 244 weights,
  eps (14 + 20) = 51, so eps = 1.5: 21 and 30 weights.
  """
  shapes = {'conv': (3, 3, 4, 4), 'fc': (10, 10)}
  assert erk_counts(shapes, 51) == {'conv': 21, 'fc': 30}
  # eps (14 + 20) = 204 would keep 120 of fc's 100: it is dense
  assert erk_counts(shapes, 204) == {'conv': 104, 'fc': 100}
  assert erk_counts(shapes, 204, dense=('conv',)) == {'conv': 144, 'fc': 60}
  assert erk_counts(shapes, 244) == {'conv': 144, 'fc': 100}
  with pytest.raises(ValueError, match='cannot keep 100 of 244'):
    erk_counts(shapes, 100, dense=('conv',))
  with pytest.raises(ValueError, match=r'keep is 0\.5; give a number of'):
    erk_counts(shapes, 0.5)


@pytest.mark.parametrize('counts_of', [erk_counts, uniform_counts])
def test_leaves_without_weights_or_of_other_names(counts_of):
  assert counts_of({'a': (2, 2), 'b': (0, 2)}, 3) == {'a': 3, 'b': 0}
  assert counts_of({'b': (0, 2)}, 0) == {'b': 0}
  with pytest.raises(ValueError, match=r"dense names \['c'\], but .* \['a'\]"):
    counts_of({'a': (2, 2)}, 3, ['c'])


@pytest.mark.parametrize('keep', [1, 10, 77, 140, 243])
def test_counts_are_exact(keep):
  shapes = {'a': (3, 3, 4, 4), 'b': (10, 10), 'c': (7,)}
  for found in (erk_counts(shapes, keep), uniform_counts(shapes, keep)):
    assert sum(found.values()) == keep
    assert all(0 <= found[n] <= np.prod(shapes[n]) for n in shapes)
  uniform = uniform_counts(shapes, 144 + 50, dense=('a',))
  assert uniform['a'] == 144 and uniform['b'] == 47  # 50 * 100 / 107


def test_the_cubic_schedule_is_exact():
  kept = kept_by_update(total=1000, keep=100, start=50, stop=210, interval=16)
  assert kept[0] == 1000 and kept[-1] == 100 and len(kept) == 11
  # half way: sparsity 0.9 (1 - 1/8)
  assert kept[5] == 1000 - np.floor(0.9 * 0.875 * 1000 + 1e-6)
  assert (np.diff(kept) <= 0).all()


def test_dpf_keeps_the_largest_of_all_dense_weights():
  method = dpf(
    {'a': 4, 'b': 2}, start=10, stop=42, interval=16, never_pruned_count=3
  )
  state = jax.tree.map(jnp.asarray, method.init(keep=5, seed=0))
  params = {
    'a': jnp.array([4.0, -3, 2, 1]),
    'b': jnp.array([6.0, -5]),
    'head': jnp.zeros(3),
  }
  masks = {'a': jnp.ones(4, bool), 'b': jnp.ones(2, bool), 'head': None}
  same, _ = method.masks(11, params, masks, state)  # between updates
  assert same['a'].all() and same['b'].all()
  final, used = method.masks(
    42, params, masks, state
  )  # 5 of 9, 3 of them never pruned
  np.testing.assert_array_equal(final['a'], [0, 0, 0, 0])
  np.testing.assert_array_equal(final['b'], [1, 1])
  assert used['used'] == {'a': 0, 'b': 1}
  again, _ = method.masks(58, {**params, 'b': params['b'] / 9}, final, state)
  np.testing.assert_array_equal(again['a'], [1, 1, 0, 0])  # they come back


@pytest.mark.parametrize('interval', [1, 5, 16, 32, 100])
def test_dpf_follows_the_cubic_and_reaches_its_sparsity_at_stop(interval):
  """Against the formula, at every step; t = 0 at step 10, n = 32."""
  method = dpf({'w': 200}, start=10, stop=42, interval=interval)
  state = jax.tree.map(jnp.asarray, method.init(keep=20, seed=0))
  params = {'w': jnp.arange(1.0, 201)}
  masks, update = {'w': jnp.ones(200, bool)}, jax.jit(method.masks)
  for step in range(10, 80):
    masks, state = update(step, params, masks, state)
    since = min(step - 10, 32)
    last = 32 if since == 32 else since - since % interval
    pruned = int(180 * (1 - (1 - last / 32) ** 3) + 1e-6)
    assert int(masks['w'].sum()) == 200 - pruned, step


@pytest.mark.parametrize('drops', [(), (3,), (3, 8), (3, 10), (3, 12)])
def test_dpf_of_a_training_ends_with_its_last_step(drops):
  """The masks of steps 2 to 11: the last one has the wanted count."""
  training = Training(2, 12, drops, SGD, {'w': 100}, 0)
  method = make_dynamic({'method': 'dpf', 'interval': 7}, training)
  state = jax.tree.map(jnp.asarray, method.init(keep=20, seed=0))
  masks, kept = {'w': jnp.ones(100, bool)}, []
  for step in range(2, 12):
    params = {'w': jnp.arange(1.0, 101)}
    masks, state = method.masks(step, params, masks, state)
    kept.append(int(masks['w'].sum()))
  stop = drops[1] if len(drops) > 1 and drops[1] < 12 else 11
  assert kept.index(20) == stop - 2 and set(kept[stop - 2 :]) == {20}


def test_settings_that_cannot_be():
  training = Training(2, 100, (50,), SGD, {'w': 9}, 0)
  with pytest.raises(ValueError, match="unknown dynamic method 'rigel'; did"):
    make_dynamic({'method': 'rigel'}, training)
  with pytest.raises(ValueError, match='interval 0'):
    rigl(SGD, stop=10, interval=0)
  with pytest.raises(ValueError, match="grow is 'best'"):
    rigl(SGD, stop=10, grow='best')
  with pytest.raises(ValueError, match='stop 3 after the start, 3'):
    dpf({'w': 2}, start=3, stop=3)


RIGL = {
  'method': 'rigl',
  'interval': 2,
  'drop_fraction': 0.5,
  'stop_fraction': 0.75,
}


@pytest.fixture(scope='module')
def start(net):
  """A random ticket of half the weights, by ERK, on the dense one's values."""
  dense = dense_ticket(net, **net.init(0))
  shapes = {
    n: m.shape for n, m in flatten(dense.masks).items() if m is not None
  }
  keep = sum(np.prod(s) for s in shapes.values()) // 2
  masks = random_masks(dense.masks, erk_counts(shapes, int(keep)), seed=3)
  return dense, with_masks(dense, masks), int(keep)


@pytest.mark.parametrize('method', ['rigl', 'set'])
def test_layers_keep_their_counts_and_pruned_weights_are_zero(
  net, recipe, dataset, start, method
):
  """After every step; in one compilation for two sparsities and seeds."""
  _, ticket, keep = start
  trainer = Trainer(net, recipe, dataset, dynamic={**RIGL, 'method': method})
  half = with_masks(start[0], random_masks(ticket.masks, {
    name: int(m.sum()) // 2
    for name, m in flatten(ticket.masks).items() if m is not None
  }, 1))  # fmt: skip
  begin = [
    trainer.start(t, 2, keep, seed) for seed, t in enumerate((ticket, half))
  ]
  states, changed = begin, 0
  for stop in range(3, trainer.total_steps + 1):
    before = [s.masks for s in states]
    states, _ = fit(trainer, states, [0, 1], stop)
    for old, state, one in zip(before, states, (ticket, half), strict=True):
      assert layer_densities(state.masks) == layer_densities(one.masks)
      for name, mask in flatten(state.masks).items():
        if mask is not None:
          assert not flatten(state.params)[name][~mask].any()
          changed += (mask != flatten(old)[name]).any()
  assert changed
  whole, _ = fit(trainer, begin, [0, 1], trainer.total_steps)
  for one, other in zip(states, whole, strict=True):
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    jax.tree.map(np.testing.assert_array_equal, one.masks, other.masks)


def test_the_optimiser_rests_at_an_update(net, recipe, dataset, start):
  """Kept weights do not move at the step of an update; then they do."""
  _, ticket, keep = start
  trainer = Trainer(net, recipe, dataset, dynamic=RIGL)
  (one,), _ = fit(trainer, [trainer.start(ticket, 2, keep)], [0], 3)
  kept = (
    flatten(one.masks)['head/kernel'] & flatten(ticket.masks)['head/kernel']
  )
  np.testing.assert_array_equal(
    flatten(one.params)['head/kernel'][kept],
    flatten(ticket.params)['head/kernel'][kept],
  )
  bias = 'head/bias'
  assert (flatten(one.params)[bias] == flatten(ticket.params)[bias]).all()
  (two,), _ = fit(trainer, [one], [0], 4)
  assert (flatten(two.params)[bias] != flatten(ticket.params)[bias]).all()


def test_dpf_trains_dense_weights_behind_exact_masks(
  net, recipe, dataset, start
):
  dense, _, keep = start
  trainer = Trainer(
    net, recipe, dataset, dynamic={'method': 'dpf', 'interval': 2}
  )
  state = trainer.start(dense, 2, keep)
  total = counts(dense.masks)[1]
  wanted = kept_by_update(
    total, keep, start=2, stop=trainer.total_steps - 1, interval=2
  )
  for step in range(3, trainer.total_steps + 1):
    (state,), (evaluation,) = fit(trainer, [state], [0], step)
    number = min((step - 1 - 2) // 2, len(wanted) - 1)
    assert counts(state.masks)[0] == wanted[number]
  assert counts(state.masks)[0] == keep
  outside = [
    flatten(state.params)[n][~m]
    for n, m in flatten(state.masks).items()
    if m is not None
  ]
  assert np.concatenate(outside).all()  # pruned weights live on
  masked = with_masks(dense, state.masks)
  assert masked.sparsity == pytest.approx(1 - wanted[number] / total)
  assert np.isfinite(evaluation.loss)


def test_gmp_prunes_for_good_by_the_schedule(net, recipe, dataset, start):
  dense, _, keep = start
  settings = {'method': 'gmp', 'interval': 2, 'stop_fraction': 0.75}
  trainer = Trainer(net, recipe, dataset, dynamic=settings)
  state = trainer.start(dense, 2, keep)
  total, stop = counts(dense.masks)[1], round(0.75 * trainer.total_steps)
  pruned = {}
  for step in range(3, trainer.total_steps + 1):
    (state,), _ = fit(trainer, [state], [0], step)
    masks, params = flatten(state.masks), flatten(state.params)
    for name, mask in masks.items():
      if mask is not None:
        assert not params[name][~mask].any()
        assert not mask[pruned.get(name, np.zeros_like(mask))].any()
        pruned[name] = ~mask
    since = stop if step > stop else (step - 1 - 2) // 2 * 2 + 2
    wanted = (1 - keep / total) * (1 - (1 - (since - 2) / (stop - 2)) ** 3)
    found = 1 - counts(state.masks)[0] / total
    assert found == pytest.approx(wanted, abs=1 / total)
  assert counts(state.masks)[0] == keep
  with pytest.raises(ValueError, match='interval 0'):
    gmp({'w': 2}, start=0, stop=3, interval=0)


def test_dpf_takes_the_gradient_at_masked_weights(recipe, dataset):
  """An MLP without momentum, one step, against a gradient by hand."""
  plain = dataclasses.replace(
    recipe, momentum=0.0, l2=0.0, flip=False, crop_padding=0
  )
  net = architecture('mlp1', dataset.image_shape, dataset.classes, 6)
  dense = dense_ticket(net, **net.init(0))
  trainer = Trainer(
    net, plain, dataset, dynamic={'method': 'dpf', 'interval': 100}
  )
  begin = trainer.start(dense, 2, 40)
  half = jax.tree.map(
    lambda m: np.arange(m.size).reshape(m.shape) % 2 == 0, dense.masks
  )
  begin = dataclasses.replace(begin, masks=half, step=np.int32(3))
  (after,), _ = fit(trainer, [begin], [0], 4)
  batch = draw_epoch(plain, len(dataset.train_labels), 0, 1)['index'][0]
  x = dataset.normalize(jnp.asarray(dataset.train_images[batch]))
  labels = dataset.train_labels[batch]

  def loss(params):
    logits = net.module().apply({'params': params}, x)
    return optax.softmax_cross_entropy_with_integer_labels(
      logits, labels
    ).mean()

  masked = with_masks(dense, half).params
  grads = flatten(jax.grad(loss)(masked))
  for name, found in flatten(after.params).items():
    expected = flatten(dense.params)[name] - 0.1 * grads[name]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
