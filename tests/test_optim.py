"""Sparse training in a loop of one's own: exact zeros and exact counts."""

import flax
import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from elth_jax import dynamic, optim
from elth_jax.dynamic.method import Training, make_dynamic
from elth_jax.masks import counts, dense_masks, prune_magnitude, sparsity
from elth_jax.training.optimizer import make_optimizer
from elth_jax.training.recipe import Recipe
from elth_jax.trees import flatten, zip_named

KEYS = jax.random.split(jax.random.key(0), 4)
PARAMS = {
  'first': {
    'kernel': jax.random.normal(KEYS[0], (6, 10)),
    'bias': jnp.ones(10),
  },
  'last': {'kernel': jax.random.normal(KEYS[1], (10, 3)), 'bias': jnp.ones(3)},
}
X = jax.random.normal(KEYS[2], (16, 6))
Y = jax.random.randint(KEYS[3], (16,), 0, 3)
DENSE = dense_masks(PARAMS, lambda name: name.endswith('kernel'))
MASKS = prune_magnitude(PARAMS, DENSE, 0.6)


def loss_of(params):
  hidden = jax.nn.relu(X @ params['first']['kernel'] + params['first']['bias'])
  logits = hidden @ params['last']['kernel'] + params['last']['bias']
  return optax.softmax_cross_entropy_with_integer_labels(logits, Y).mean()


def train(tx, steps, params=PARAMS, seen=lambda params, state: params):
  """(params, state) after some steps, all in one compiled loop."""

  def body(_, carry):
    params, state = carry
    grads = jax.grad(loss_of)(seen(params, state))
    updates, state = tx.update(grads, state, params)
    return optax.apply_updates(params, updates), state

  run = jax.jit(lambda p: jax.lax.fori_loop(0, steps, body, (p, tx.init(p))))
  return run(params)


def assert_masked(params, masks):
  found = flatten(masks)
  for name, leaf in flatten(params).items():
    if found[name] is not None:
      assert np.all(np.asarray(leaf)[~np.asarray(found[name])] == 0), name


ADAMW = optax.adamw(optax.cosine_decay_schedule(1e-2, 1000), weight_decay=0.1)
WRAPPED = {
  'adamw': lambda wrap: wrap(ADAMW),
  'momentum': lambda wrap: wrap(optax.sgd(0.1, momentum=0.9)),
  'clipped': lambda wrap: optax.chain(optax.clip(1.0), wrap(ADAMW)),
  'several steps': lambda wrap: optax.MultiSteps(wrap(ADAMW), 3),
}


@pytest.mark.parametrize('how', WRAPPED)
def test_pruned_weights_stay_exactly_zero(how):
  tx = WRAPPED[how](lambda inner: optim.keep_masked(inner, MASKS))
  params, state = train(tx, 1000)
  assert_masked(params, MASKS)
  assert loss_of(params) < 0.5 * loss_of(PARAMS)
  for one, other in zip(
    jax.tree.leaves(optim.masks_of(state)), jax.tree.leaves(MASKS), strict=True
  ):
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
  ('name', 'how'), [*(('rigl', how) for how in WRAPPED), ('set', 'adamw')]
)
def test_masks_move_and_every_leaf_keeps_its_count(name, how):
  method = getattr(optim, name)
  tx = WRAPPED[how](lambda inner: method(inner, MASKS, stop=150, interval=10))
  params, state = train(tx, 300)
  masks = optim.masks_of(state)
  assert_masked(params, masks)
  for leaf, mask in flatten(MASKS).items():
    if mask is not None:
      now = np.asarray(flatten(masks)[leaf])
      assert now.sum() == mask.sum() and (now != mask).any()


@pytest.mark.parametrize(
  'wrap',
  [
    optim.keep_masked,
    lambda tx, masks: optim.rigl(tx, masks, stop=9, interval=5),
    lambda tx, masks: optim.set(tx, masks, stop=9, interval=5),
  ],
)
def test_gradients_of_pruned_weights_do_not_count_in_a_norm(wrap):
  inner = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1.0))
  tx = wrap(inner, {'w': np.array([True, False, False])})
  params = {'w': jnp.array([1.0, 0, 0])}
  grads = {'w': jnp.array([0.5, 5, jnp.nan])}
  updates, _ = tx.update(grads, tx.init(params), params)
  np.testing.assert_array_equal(updates['w'], [-0.5, 0, 0])


def test_rigl_grows_where_gradients_are_large_with_no_momentum_there():
  tx = optim.rigl(
    optax.sgd(1.0, momentum=0.9),
    {'w': np.array([True, True, False, False])},
    stop=99,
    interval=2,
    drop_fraction=0.6,
  )
  params = {'w': jnp.array([8.0, 0.1, 0, 0])}
  grads = {'w': jnp.array([0.0, 0, 1, 2])}
  state = tx.init(params)
  for _ in range(3):
    updates, state = tx.update(grads, state, params)
    params = optax.apply_updates(params, updates)
  np.testing.assert_array_equal(
    optim.masks_of(state)['w'], [True, False, False, True]
  )
  np.testing.assert_array_equal(params['w'], [8, 0, 0, 0])


@pytest.mark.parametrize('name', ['rigl', 'set'])
def test_leaves_that_are_none_shift_no_other(name):
  """One weight of two goes, and one comes: where its gradient is, or SET."""
  kept = np.array([True, True, False, False])
  masks = {'a': None, 'b': kept, 'c': kept, 'd': None}
  params = {
    'a': None,
    'b': jnp.array([1, 0.1, 0, 0]),
    'c': jnp.array([0.1, 1, 0, 0]),
    'd': jnp.full(4, 5.0),
  }
  grads = {
    'a': None,
    'b': jnp.array([0.0, 0, 9, 0]),
    'c': jnp.array([0.0, 0, 0, 9]),
    'd': jnp.array([1.0, 0, 0, 0]),
  }
  method = getattr(optim, name)
  tx = method(optax.sgd(0.0), masks, stop=99, interval=1, drop_fraction=0.6)
  state = tx.init(params)
  for _ in range(2):
    updates, state = tx.update(grads, state, params)
    params = optax.apply_updates(params, updates)
  found = optim.masks_of(state)
  assert found['b'][0] and found['c'][1]  # the largest weights stay
  if name == 'rigl':
    np.testing.assert_array_equal(found['b'], [1, 0, 1, 0])
    np.testing.assert_array_equal(found['c'], [0, 1, 0, 1])
    np.testing.assert_array_equal(params['b'], [1, 0, 0, 0])
  assert_masked({'b': params['b']}, {'b': found['b']})
  np.testing.assert_array_equal(params['d'], np.full(4, 5))


def study_steps(method, steps, masks, recipe, seed=0, keep=0):
  """What `training.step` does with a dynamic method, written out."""
  optimizer = make_optimizer(recipe, lambda step: recipe.learning_rate)
  params, opt_state = PARAMS, optimizer.init(PARAMS)
  masks = jax.tree.map(jnp.asarray, masks)
  if not method.dense:
    params = jax.tree.map(
      lambda m, p: p if m is None else jnp.where(m, p, 0),
      masks,
      params,
      is_leaf=lambda leaf: leaf is None,
    )
  own = method.init(keep, seed)
  slopes = jax.jit(jax.grad(loss_of))
  choose, change = (f and jax.jit(f) for f in (method.masks, method.update))
  for step in map(jnp.int32, range(steps)):
    if choose:
      masks, own = choose(step, params, masks, own)
    seen = params
    if method.dense:
      seen = optim.masked(params, optim.SparseState(masks, (), step))
    grads = slopes(seen)
    if method.due and method.due(step):
      params, masks, opt_state = change(
        step, params, masks, grads, opt_state, own
      )
      continue
    trained = jax.tree.map(lambda m: None, masks) if method.dense else masks
    updates, opt_state = optimizer.update(
      grads, opt_state, params, step=step, masks=trained
    )
    params = optax.apply_updates(params, updates)
  return params, masks


RECIPE = Recipe(learning_rate=0.1, momentum=0.9, l2=1e-3, batch_size=16)
PLAIN = optax.chain(
  optax.add_decayed_weights(RECIPE.l2),
  optax.trace(decay=RECIPE.momentum),
  optax.scale(-RECIPE.learning_rate),
)


@pytest.mark.parametrize('name', ['rigl', 'set', 'dpf'])
def test_methods_do_what_studies_do(name):
  sizes = {n: m.size for n, m in flatten(DENSE).items() if m is not None}
  training = Training(
    start=0,
    steps=20,
    drops=(5, 12),
    optimizer=make_optimizer(RECIPE, lambda step: RECIPE.learning_rate),
    sizes=sizes,
    never_pruned_count=0,
  )
  settings = {'method': name, 'interval': 4}
  if name != 'dpf':
    settings |= {'drop_fraction': 0.5, 'stop_fraction': 0.75}
  method = make_dynamic(settings, training)
  total = sum(sizes.values())
  if name == 'dpf':
    masks, seen = DENSE, optim.masked
    tx = optim.dpf(PLAIN, DENSE, 0.7, stop=12, interval=4)
  else:
    masks, seen = MASKS, lambda params, state: params
    wrap = getattr(optim, name)
    tx = wrap(PLAIN, MASKS, stop=15, interval=4, drop_fraction=0.5)
  start = PARAMS if name == 'dpf' else optim.rewind(PARAMS, MASKS)
  params, state = train(tx, 20, start, seen)
  keep = total - round(0.7 * total)
  wanted, last = study_steps(method, 20, masks, RECIPE, keep=keep)
  jax.tree.map(
    lambda one, other: np.testing.assert_allclose(one, other, atol=2e-5),
    params,
    wanted,
  )
  found = optim.masks_of(state)
  if name == 'dpf':
    assert counts(jax.tree.map(np.asarray, found))[0] == keep
    assert sparsity(jax.tree.map(np.asarray, last)) == pytest.approx(
      0.7, abs=0.01
    )
  else:
    jax.tree.map(np.testing.assert_array_equal, found, last)


def test_dpf_shows_exact_zeros_and_keeps_dense_weights():
  tx = optim.dpf(optax.sgd(0.1), DENSE, 0.8, stop=50)
  params, state = train(tx, 50, seen=optim.masked)
  shown = optim.masked(params, state)
  zeros = sum(int((w == 0).sum()) for w in jax.tree.leaves(shown))
  assert zeros == round(0.8 * 90)
  assert sum(int((w == 0).sum()) for w in jax.tree.leaves(params)) == 0


def test_imp_in_ten_lines():
  early, _ = train(optim.keep_masked(ADAMW, DENSE), 5)
  masks, kept = DENSE, []
  for _ in range(3):
    start = optim.rewind(early, masks)
    trained, _ = train(optim.keep_masked(ADAMW, masks), 50, start)
    assert_masked(trained, masks)
    kept.append(counts(masks)[0])
    masks = optim.prune(trained, masks, 0.2)
  assert kept == [90, 72, 57]
  ticket = optim.rewind(early, masks)
  assert_masked(ticket, masks)
  name = 'first/kernel'
  mask = flatten(masks)[name]
  np.testing.assert_array_equal(
    np.asarray(flatten(ticket)[name])[mask],
    np.asarray(flatten(early)[name])[mask],
  )


@pytest.mark.parametrize('name', ['rigl', 'set'])
@pytest.mark.parametrize(
  'inner',
  [
    lambda: optax.sgd(0.1, momentum=0.9),
    lambda: optax.adafactor(1e-2, min_dim_size_to_factor=2),
    lambda: optax.contrib.muon(1e-2),
  ],
)
def test_masks_move_with_any_optimiser_and_dtype(name, inner):
  """bfloat16 weights and float32 gradients, as in mixed precision."""
  params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
  tx = getattr(optim, name)(inner(), MASKS, stop=20, interval=3)
  state, update = tx.init(params), jax.jit(tx.update)
  for _ in range(8):
    grads = jax.grad(loss_of)(jax.tree.map(jnp.float32, params))
    updates, state = update(grads, state, params)
    params = optax.apply_updates(params, updates)
  masks = optim.masks_of(state)
  assert_masked(params, masks)
  for leaf, mask in flatten(MASKS).items():
    if mask is not None:
      now = np.asarray(flatten(masks)[leaf])
      assert now.sum() == mask.sum() and (now != mask).any()


def test_slots_of_another_shape_stay_where_weights_grow():
  """Of adafactor's, rows and columns stay; its momentum is of kept weights."""
  inner = optax.adafactor(1e-2, min_dim_size_to_factor=2, momentum=0.9)
  masks = {**MASKS, 'last': {'kernel': None, 'bias': None}}
  tx = optim.rigl(inner, masks, stop=20, interval=1, drop_fraction=0.5)
  params = optim.rewind(PARAMS, masks)
  grads = jax.grad(loss_of)(params)
  updates, before = tx.update(grads, tx.init(params), params)
  params = optax.apply_updates(params, updates)
  _, after = tx.update(jax.grad(loss_of)(params), before, params)
  was, now = (
    np.asarray(optim.masks_of(state)['first']['kernel'])
    for state in (before, after)
  )
  assert (now & ~was).any()
  slots = [jax.tree.leaves(state.inner) for state in (before, after)]
  assert {(6,), (10,), (6, 10)} <= {slot.shape for slot in slots[0]}
  for old, new in zip(*slots, strict=True):
    wanted = np.where(was & now, old, 0) if old.shape == now.shape else old
    np.testing.assert_array_equal(new, wanted)


@pytest.mark.parametrize('name', ['rigl', 'set'])
def test_weights_to_evaluate_are_masked_as_those_trained(name):
  inner = optax.contrib.schedule_free_adamw(1e-2)
  tx = getattr(optim, name)(inner, MASKS, stop=20, interval=3)
  params, state = train(tx, 20, optim.rewind(PARAMS, MASKS))
  seen = optax.contrib.schedule_free_eval_params(state.inner, params)
  assert_masked(seen, optim.masks_of(state))


def as_frozen(tree):
  return flax.core.freeze(tree)


def as_state(tree):
  return nnx.State(jax.tree.map(nnx.Param, tree))


def as_states(tree):
  return nnx.State({key: as_state(part) for key, part in tree.items()})


@pytest.mark.parametrize('name', ['keep_masked', 'rigl', 'dpf'])
@pytest.mark.parametrize('nodes', [as_frozen, as_state, as_states])
def test_plain_masks_serve_parameters_in_other_nodes(name, nodes):
  more = {'keep_masked': {}, 'rigl': {'stop': 200}, 'dpf': {'stop': 9}}[name]
  masks = [DENSE, 0.5] if name == 'dpf' else [MASKS]
  tx = getattr(optim, name)(optax.sgd(0.1, momentum=0.9), *masks, **more)
  found = []
  for params in (PARAMS, nodes(PARAMS)):
    grads = jax.tree.map(jnp.ones_like, params)
    updates, state = tx.update(grads, tx.init(params), params)
    assert jax.tree.structure(updates) == jax.tree.structure(params)
    found.append((updates, optim.masks_of(state)))
  for one, other in zip(*found, strict=True):
    for name, leaf, wanted in zip_named(other, one):
      np.testing.assert_array_equal(leaf, wanted, name)


class Net(nnx.Module):
  def __init__(self, rngs):
    self.first = nnx.Linear(6, 10, rngs=rngs)
    self.last = nnx.Linear(10, 3, rngs=rngs)

  def __call__(self, x):
    return self.last(nnx.relu(self.first(x)))


@pytest.mark.parametrize('name', ['keep_masked', 'rigl'])
def test_with_nnx(name):
  model = Net(nnx.Rngs(0))
  params = nnx.state(model, nnx.Param)
  masks = dense_masks(params, lambda name: name.endswith('kernel'))
  masks = prune_magnitude(params, masks, 0.5)
  more = {'stop': 50, 'interval': 5} if name == 'rigl' else {}
  tx = getattr(optim, name)(optax.adamw(1e-2), masks, **more)
  optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)

  @nnx.jit
  def step(model, optimizer):
    def loss(model):
      logits = model(X)
      return optax.softmax_cross_entropy_with_integer_labels(logits, Y).mean()

    optimizer.update(model, nnx.grad(loss)(model))

  for _ in range(20):
    step(model, optimizer)
  found = nnx.to_pure_dict(nnx.state(model, nnx.Param))
  kernels = [found[layer]['kernel'] for layer in ('first', 'last')]
  zeros = sum(int((np.asarray(kernel) == 0).sum()) for kernel in kernels)
  assert zeros == 45
  shown = optim.masks_of(optimizer.opt_state)
  assert counts(jax.tree.map(np.asarray, shown)) == (45, 90)


@pytest.mark.parametrize(
  ('make', 'message'),
  [
    (
      lambda: optim.keep_masked(ADAMW, PARAMS),
      'first/kernel is float32, not bool',
    ),
    (
      lambda: optim.keep_masked(ADAMW, {**DENSE, 'last': DENSE['first']}),
      r'last/kernel: mask of shape \(6, 10\)',
    ),
    (lambda: optim.keep_masked(ADAMW, {'first': DENSE['first']}), 'last'),
    (
      lambda: optim.keep_masked(ADAMW, jax.tree.map(lambda _: None, PARAMS)),
      'no leaf has a mask, of .*first',
    ),
    (lambda: optim.rigl(ADAMW, MASKS, stop=9, interval=0), 'interval 0 must'),
    (
      lambda: optim.set(optax.sm3(0.1), MASKS, stop=9, interval=3),
      'ScaleBySM3State.* does not tell what it keeps of which weight',
    ),
    (
      lambda: optim.rigl(optax.lbfgs(0.1), MASKS, stop=9, interval=3),
      'ScaleByLBFGSState.* give another one',
    ),
    (
      lambda: optim.dpf(ADAMW, MASKS, 0.5, stop=9, interval=3),
      'starts from all weights',
    ),
    (
      lambda: optim.dpf(ADAMW, DENSE, 90, stop=9, interval=3),
      'share between 0 and 1',
    ),
    (
      lambda: optim.dpf(ADAMW, {'w': None}, 0.5, stop=9, interval=3),
      'no leaf has a mask',
    ),
  ],
)
def test_what_does_not_fit_is_named(make, message):
  with pytest.raises(ValueError, match=message):
    make().init(PARAMS)


@pytest.mark.parametrize(
  'make',
  [
    lambda: optim.keep_masked(MASKS, ADAMW),
    lambda: optim.rigl(MASKS, ADAMW, stop=9, interval=3),
    lambda: optim.set(MASKS, ADAMW, stop=9, interval=3),
    lambda: optim.dpf(DENSE, ADAMW, 0.5, stop=9, interval=3),
  ],
)
def test_masks_before_the_optimiser_are_named(make):
  with pytest.raises(TypeError, match=r'is a dict.*the optimiser first'):
    make()


@pytest.mark.parametrize('function', [optim.prune, optim.rewind])
def test_masks_before_weights_are_named(function):
  with pytest.raises(ValueError, match=r'first/kernel.*weights first'):
    function(MASKS, PARAMS)


def test_parameters_are_needed():
  tx = optim.keep_masked(optax.sgd(0.1), MASKS)
  with pytest.raises(ValueError, match=r'tx\.update\(grads, opt_state, params'):
    tx.update(PARAMS, tx.init(PARAMS))


def test_masks_are_found_or_their_absence_is_named():
  state = optax.adamw(1e-3).init(PARAMS)
  with pytest.raises(ValueError, match='masks of 0 sparse optimisers'):
    optim.masks_of(state)
  twice = optim.keep_masked(optim.keep_masked(ADAMW, MASKS), MASKS)
  assert counts(optim.masks_of(twice.init(PARAMS))) == counts(MASKS)


def test_each_dynamic_method_has_its_transformation():
  assert {'rigl', 'set', 'dpf'} <= set(dynamic.DYNAMIC) & set(optim.__all__)
