"""Scores against independent computations; masks of exact counts."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elth_jax.elastic.layout import Layout
from elth_jax.families import architecture
from elth_jax.masks import counts, dense_masks
from elth_jax.nn import conv_backends
from elth_jax.process.older_jax import enable_x64
from elth_jax.pruners import (
  grasp_scores,
  magnitude_scores,
  random_scores,
  select,
  snip_scores,
  synflow_masks,
  synflow_scores,
)
from elth_jax.pruners.select import share_out
from elth_jax.trees import flatten, map_named, unflatten


class Tiny(nn.Module):
  """Biases, BN and a leaf that is not pruned, small enough for a Hessian."""

  @nn.compact
  def __call__(self, x):
    x = nn.tanh(nn.Dense(3, name='one')(x))
    x = nn.BatchNorm(use_running_average=True, name='bn')(x)
    return nn.Dense(2, name='two')(x)


@pytest.fixture(scope='module')
def tiny():
  draw = np.random.default_rng(0)
  shapes = jax.eval_shape(Tiny().init, jax.random.key(0), jnp.zeros((1, 2)))
  variables = jax.tree.map(
    lambda leaf: np.abs(draw.normal(1, 0.5, leaf.shape)), shapes
  )
  variables['params'] = jax.tree.map(
    lambda leaf: leaf * draw.choice([-1.0, 1.0], leaf.shape),
    variables['params'],
  )
  inputs, labels = draw.normal(size=(6, 2)), np.array([0, 1, 1, 0, 1, 0])
  batches = [(inputs[:4], labels[:4]), (inputs[4:], labels[4:])]
  return variables, batches


def mean_loss(variables, batches, temperature=1.0):
  """Cross-entropy by hand, in numpy, one example after the other."""
  p, s = flatten(variables['params']), flatten(variables['batch_stats'])
  losses = []
  for inputs, labels in batches:
    for x, label in zip(inputs, labels, strict=True):
      x = np.tanh(x @ p['one/kernel'] + p['one/bias'])
      x = (x - s['bn/mean']) / np.sqrt(s['bn/var'] + 1e-5)
      x = x * p['bn/scale'] + p['bn/bias']
      z = (x @ p['two/kernel'] + p['two/bias']) / temperature
      losses.append(np.log(np.exp(z).sum()) - z[label])
  return np.mean(losses)


def differences(function, params, step=1e-5):
  """Central finite differences of a function of the parameters."""
  flat = {name: np.array(leaf) for name, leaf in flatten(params).items()}
  slopes = {}
  for name, leaf in flat.items():
    slope = np.zeros_like(leaf)
    for at in np.ndindex(leaf.shape):
      values = []
      for sign in (1, -1):
        moved = leaf.copy()
        moved[at] += sign * step
        values.append(function(unflatten({**flat, name: moved})))
      slope[at] = (values[0] - values[1]) / (2 * step)
    slopes[name] = slope
  return unflatten(slopes)


def of_kernels(tree, other=None):
  """The tree with `other` for every leaf that is not a kernel."""
  return map_named(
    lambda name, leaf: (
      leaf
      if name.endswith('kernel')
      else (None if other is None else leaf * other)
    ),
    tree,
  )


def assert_close(one, other, **tolerance):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, **tolerance), one, other
  )


def test_parameters_alone_are_no_variables(tiny):
  apply, params = Tiny().apply, tiny[0]['params']
  for scores in (
    lambda: snip_scores(apply, params, []),
    lambda: grasp_scores(apply, params, []),
    lambda: synflow_scores(apply, params, (2,)),
  ):
    with pytest.raises(
      ValueError, match=r"\['bn', 'one', 'two'\] and no params"
    ):
      scores()


def test_snip_passes_leaves_that_are_none(tiny):
  variables, batches = tiny
  more = {**variables, 'params': {**variables['params'], 'unused': None}}
  wanted = snip_scores(Tiny().apply, variables, batches)
  found = snip_scores(Tiny().apply, more, batches)
  assert found.pop('unused') is None
  jax.tree.map(np.testing.assert_array_equal, found, wanted)


def test_snip_against_finite_differences(tiny):
  variables, batches = tiny
  slopes = differences(
    lambda params: mean_loss({**variables, 'params': params}, batches),
    variables['params'],
  )
  with enable_x64():
    found = snip_scores(Tiny().apply, variables, batches)
  expected = map_named(
    lambda _, w, g: np.abs(w * g), variables['params'], slopes
  )
  assert_close(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('absolute', [False, True])
def test_grasp_against_finite_differences(tiny, absolute):
  """H g is the change of the gradient along g, the kernels' gradient alone."""
  variables, batches = tiny
  scale = 2.0

  def gradient(params):
    return differences(
      lambda p: mean_loss({**variables, 'params': p}, batches, scale),
      params,
      1e-4,
    )

  g = of_kernels(gradient(variables['params']), 0.0)
  step = 1e-2
  moved = [
    jax.tree.map(lambda w, d, s=sign: w + s * step * d, variables['params'], g)
    for sign in (1, -1)
  ]
  product = jax.tree.map(
    lambda a, b: (a - b) / (2 * step), gradient(moved[0]), gradient(moved[1])
  )
  expected = of_kernels(jax.tree.map(np.multiply, variables['params'], product))
  if absolute:
    expected = jax.tree.map(np.abs, expected)
  with enable_x64():
    found = grasp_scores(
      Tiny().apply, variables, batches, temperature=scale, absolute=absolute
    )
  scores = np.concatenate([np.ravel(v) for v in jax.tree.leaves(expected)])
  assert np.abs(scores).max() > 1e-3
  assert_close(found, expected, rtol=1e-3, atol=1e-6)


def kernel_masks(params, density=1.0):
  """Masks of kernels at random, `None` elsewhere."""
  draw = np.random.default_rng(1)
  return map_named(
    lambda name, leaf: (
      draw.random(leaf.shape) < density if name.endswith('kernel') else None
    ),
    params,
  )


@pytest.mark.parametrize('density', [1.0, 0.6])
def test_grasp_against_an_explicit_hessian(tiny, density):
  """The rows and columns of kept kernel weights, of the masked network."""
  variables, batches = tiny
  inputs = np.concatenate([b[0] for b in batches])
  labels = np.concatenate([b[1] for b in batches])
  masks = kernel_masks(variables['params'], density)
  present = jax.tree.map(
    lambda leaf, mask: np.zeros(leaf.shape) if mask is None else mask * 1.0,
    variables['params'],
    masks,
    is_leaf=lambda leaf: leaf is None,
  )
  with enable_x64():
    masked = map_named(
      lambda _, leaf, mask: leaf if mask is None else leaf * mask,
      variables['params'],
      masks,
    )
    flat, rebuild = jax.flatten_util.ravel_pytree(masked)
    kept, _ = jax.flatten_util.ravel_pytree(present)

    def loss(vector):
      logits = Tiny().apply({**variables, 'params': rebuild(vector)}, inputs)
      logs = jax.nn.log_softmax(logits / 200.0)
      return -logs[jnp.arange(6), labels].mean()

    product = jax.jit(
      lambda v: jax.hessian(loss)(v) @ (kept * jax.grad(loss)(v))
    )(flat)
    expected = of_kernels(rebuild(flat * product))
    found = grasp_scores(Tiny().apply, variables, batches, masks=masks)
  assert_close(found, expected, rtol=1e-7, atol=1e-16)


def test_grasp_in_pytorch(tiny):
  """As the published code: gradients of the kernels, twice."""
  torch = pytest.importorskip('torch')
  variables, batches = tiny
  p, s = flatten(variables['params']), flatten(variables['batch_stats'])
  p, s = ({n: torch.tensor(v) for n, v in t.items()} for t in (p, s))
  kernels = [p[n].requires_grad_() for n in ('one/kernel', 'two/kernel')]

  def loss():
    total = 0.0
    for inputs, labels in batches:
      x = torch.tanh(torch.tensor(inputs) @ p['one/kernel'] + p['one/bias'])
      x = (x - s['bn/mean']) / torch.sqrt(s['bn/var'] + 1e-5)
      x = x * p['bn/scale'] + p['bn/bias']
      x = x @ p['two/kernel'] + p['two/bias']
      total += torch.nn.functional.cross_entropy(
        x / 200, torch.tensor(labels), reduction='sum'
      )
    return total / 6

  fixed = torch.autograd.grad(loss(), kernels)
  slopes = torch.autograd.grad(loss(), kernels, create_graph=True)
  along = sum((f * g).sum() for f, g in zip(fixed, slopes, strict=True))
  products = torch.autograd.grad(along, kernels)
  with enable_x64():
    found = grasp_scores(Tiny().apply, variables, batches)
  for name, w, h in zip(('one', 'two'), kernels, products, strict=True):
    expected = (w * h).detach().numpy()
    np.testing.assert_allclose(found[name]['kernel'], expected, rtol=1e-9)


def test_leaves_of_grasp(tiny):
  """Kernels by default; any leaves by name; a mask's leaves otherwise."""
  variables, batches = tiny
  apply = Tiny().apply
  scored = flatten(
    grasp_scores(apply, variables, batches, prunable=lambda n: 'one' in n)
  )
  assert {n for n, leaf in scored.items() if leaf is not None} == {
    'one/kernel',
    'one/bias',
  }
  masks = kernel_masks(variables['params'], 0.5)
  kept = flatten(masks)['one/kernel']
  by_mask = grasp_scores(apply, variables, batches, masks=masks)
  assert not by_mask['one']['kernel'][~kept].any()
  assert by_mask['one']['kernel'][kept].any()
  assert by_mask['one']['bias'] is None
  # whatever lies outside the masks
  moved = map_named(
    lambda _, w, mask: w if mask is None else np.where(mask, w, w + 5),
    variables['params'],
    masks,
  )
  again = grasp_scores(
    apply, {**variables, 'params': moved}, batches, masks=masks
  )
  assert_close(
    again['one']['kernel'][kept], by_mask['one']['kernel'][kept], rtol=1e-5
  )


def test_batches_are_pairs(tiny):
  variables, batches = tiny
  (inputs, labels), *_ = batches
  for wrong in ((inputs, labels), [{'image': inputs, 'label': labels}]):
    with pytest.raises(ValueError, match=r'give a list of \(inputs, labels\)'):
      snip_scores(Tiny().apply, variables, wrong)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'prunable': lambda n: 'conv' in n}, r'no leaf .*one/bias.*give prunable'),
    ({'temperature': 0.0}, 'temperature is 0'),
    ({'temperature': np.inf}, 'temperature is inf'),
    ({'masks': {}, 'prunable': bool}, 'not both'),
    ({'masks': {'one': {'kernel': None}}}, 'masks: leaves differ'),
  ],
)
def test_wrong_options_of_grasp(tiny, options, message):
  variables, batches = tiny
  with pytest.raises(ValueError, match=message):
    grasp_scores(Tiny().apply, variables, batches, **options)


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize('score', [snip_scores, grasp_scores])
def test_means_over_batches_of_half_precision(dtype, score):
  """The mean over equal batches is that of one, however many there are."""
  x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
  net = nn.Dense(3, param_dtype=dtype)
  shapes = jax.eval_shape(net.init, jax.random.key(0), x)
  variables = jax.tree.map(
    lambda leaf: jnp.linspace(-1, 1, leaf.size, dtype=dtype).reshape(
      leaf.shape
    ),
    shapes,
  )
  batch = x, np.array([0, 1, 2])
  one, many = (
    score(net.apply, variables, [batch] * times)['kernel'] for times in (1, 300)
  )
  np.testing.assert_allclose(many, one, rtol=1e-4)


def test_grasp_keeps_what_the_paper_keeps(tiny):
  """It removes the largest S = -w (H g)."""
  variables, batches = tiny
  masks = dense_masks(variables['params'], lambda n: n.endswith('kernel'))
  scores = grasp_scores(Tiny().apply, variables, batches)
  kept = select(scores, masks, 8)
  removed = np.concatenate(
    [-scores[n]['kernel'][~kept[n]['kernel']] for n in ('one', 'two')]
  )
  stay = np.concatenate(
    [-scores[n]['kernel'][kept[n]['kernel']] for n in ('one', 'two')]
  )
  assert removed.min() >= stay.max()


def test_synflow_by_hand():
  """R = sum |W2| |W1| 1, so a weight's score is a product of sums."""
  one, two = np.array([[1.0, -2.0], [3.0, 0.5]]), np.array([[2.0], [-4.0]])

  def apply(variables, x):
    p = variables['params']
    return x @ p['one'] @ p['two']

  scores = synflow_scores(apply, {'params': {'one': one, 'two': two}}, (2,))
  np.testing.assert_allclose(scores['one'], [[2, 8], [6, 2]])
  np.testing.assert_allclose(scores['two'], [[8], [10]])


class Deep(nn.Module):
  """Layers with a dtype of their own, in one of several ways."""

  layers: int
  dtype: Any = None
  kind: str = 'dense'

  @nn.compact
  def __call__(self, x):
    def layer(name=None):
      return nn.Dense(64, dtype=self.dtype, use_bias=False, name=name)

    if self.kind == 'scan':
      body = nn.scan(
        lambda module, x, _: (nn.relu(module(x)).astype(x.dtype), None),
        variable_axes={'params': 0},
        split_rngs={'params': True},
        length=self.layers,
      )
      x, _ = body(layer('layers'), layer('first')(x), None)
    elif self.kind == 'astype':
      for _ in range(self.layers):
        x = nn.relu(layer()(x.astype(self.dtype or x.dtype)))
    else:
      for _ in range(self.layers):
        y = nn.remat(nn.Dense)(64, dtype=self.dtype, use_bias=False)(x)
        x = nn.gelu(y) if self.kind == 'gelu' else nn.relu(y)
    return nn.Dense(3, dtype=self.dtype)(x)


@pytest.mark.parametrize(
  ('kind', 'dtype', 'layers', 'close'),
  [
    ('dense', jnp.float32, 40, 1e-12),
    ('dense', jnp.bfloat16, 3, 1e-12),
    ('dense', jnp.float16, 5, 1e-12),
    ('astype', jnp.float32, 3, 1e-12),
    ('gelu', jnp.float32, 3, 1e-6),  # whose constants are float32
    ('scan', jnp.float32, 40, 1e-12),
  ],
)
def test_synflow_is_float64_whatever_a_model_names(kind, dtype, layers, close):
  shapes = jax.eval_shape(
    Deep(layers, None, kind).init, jax.random.key(0), jnp.ones((1, 8))
  )
  draw = np.random.default_rng(0)
  variables = jax.tree.map(
    lambda leaf: draw.normal(0, 0.3, leaf.shape).astype(np.float32), shapes
  )
  wanted, found = (
    synflow_scores(Deep(layers, named, kind).apply, variables, (8,))
    for named in (None, dtype)
  )
  assert_close(found, wanted, rtol=close)
  if layers == 40:
    largest = max(map(np.max, jax.tree.leaves(wanted)))
    assert largest > np.finfo(np.float32).max


def test_synflow_through_loops_gathers_and_counters():
  """What a jaxpr may hold beside products, all in bfloat16."""

  def model(dtype):
    def apply(variables, x):
      p, times = variables['params'], variables['state']['times']
      assert times.dtype == int
      x = x.astype(dtype) @ p['one'].astype(dtype)
      x = jax.lax.fori_loop(0, 4, lambda _, y: y * 3, x)
      factor = jax.lax.while_loop(
        lambda value: value < times, lambda value: value * 3, dtype(1)
      )
      x = jax.lax.cond(times > 1, lambda y: y / 3, lambda y: y * 0, x) * factor
      x = jnp.take(x, jnp.array([0, 2, 2]), axis=1)
      x = nn.avg_pool(x[:, :, None], (2,), (1,), 'SAME')[..., 0]
      x = nn.max_pool(x[:, :, None], (2,), (1,), 'SAME')[..., 0]
      out = jnp.matmul(x, p['two'], preferred_element_type=dtype)
      narrow = dtype is not np.float64
      return jax.lax.reduce_precision(out, 5, 2) if narrow else out

    return apply

  draw = np.random.default_rng(0)
  variables = {
    'params': {'one': draw.random((2, 3)), 'two': draw.random((3, 2))},
    'state': {'times': np.array(4)},
  }
  wanted, found = (
    synflow_scores(model(dtype), variables, (2,))
    for dtype in (np.float64, jnp.bfloat16)
  )
  assert_close(found, wanted, rtol=1e-12)


def test_synflow_refuses_what_cannot_be_widened():
  def apply(variables, x):
    bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32), jnp.int32)
    x = jax.lax.bitcast_convert_type(bits, jnp.float32)
    return x @ variables['params']['w']

  variables = {'params': {'w': np.ones((2, 2))}}
  with pytest.raises(ValueError, match='bitcast_convert_type in a dtype of'):
    synflow_scores(apply, variables, (2,))


def without_biases(variables):
  """Biases and BN shifts at zero: then flow is conserved at every layer."""
  return {
    'params': map_named(
      lambda name, p: p * (0 if name.endswith('bias') else 1),
      variables['params'],
    ),
    'batch_stats': jax.tree.map(
      lambda v: v * 0 + (v == 1), variables['batch_stats']
    ),
  }


@pytest.mark.slow
def test_synflow_conserves_saliency_and_does_not_overflow_at_resnet56():
  """Plain cuts of the network: stem, head, and one without a shortcut."""
  net = architecture('resnet56', (8, 8, 3), 10, 8)
  apply = net.module(conv_backends.NHWC).apply
  deep = without_biases(net.init(0))
  deep['params'] = map_named(  # wide kernels: R overflows float32
    lambda name, p: p * (20 if name.endswith('kernel') else 1), deep['params']
  )
  scores = flatten(synflow_scores(apply, deep, net.input_shape))
  total = scores['stem/kernel'].sum()
  assert total > np.finfo(np.float32).max
  assert scores['head/kernel'].sum() == pytest.approx(total, rel=1e-9)
  vgg = architecture('vgg13', (8, 8, 3), 10, 4)
  variables = without_biases(vgg.init(0))
  flows = [
    leaf.sum()
    for name, leaf in flatten(
      synflow_scores(vgg.module(conv_backends.NHWC).apply, variables, (8, 8, 3))
    ).items()
    if name.endswith('kernel')
  ]
  assert len(flows) == 11
  np.testing.assert_allclose(flows, flows[0], rtol=1e-9)


def test_synflow_keeps_every_layer_where_one_shot_pruning_would_not():
  """Iterated conservation avoids layer collapse (their theorem 3)."""
  net = architecture('mlp4', (6, 6, 1), 10, 30)
  variables = net.init(0)
  masks = dense_masks(variables['params'], net.family.prunable)
  apply = net.module().apply
  found = [
    synflow_masks(apply, variables, masks, 40, (6, 6, 1), rounds=rounds)
    for rounds in (1, 50)
  ]
  left = [
    min(m.sum() for m in flatten(f).values() if m is not None) for f in found
  ]
  assert left[0] == 0 < left[1]
  assert [counts(f)[0] for f in found] == [40, 40]
  with pytest.raises(ValueError, match='rounds is 0'):
    synflow_masks(apply, variables, masks, 40, (6, 6, 1), rounds=0)
  with pytest.raises(ValueError, match='cannot keep 0'):
    synflow_masks(apply, variables, masks, 0, (6, 6, 1))


MASKS = {
  'stem': {'kernel': np.ones((4, 5), bool), 'bias': None},
  'stage1': {
    'block0': {'kernel': np.ones((3, 3), bool)},
    'block1': {'kernel': np.ones((7,), bool)},
  },
  'head': {'kernel': np.ones(6, bool)},
}


@given(
  st.integers(0, 42),
  st.sampled_from(['global', 'stage', 'leaf']),
  st.booleans(),
  st.integers(0, 9),
)
def test_any_selection_is_exact(keep, scope, sparing, seed):
  def never_pruned(name):
    return sparing and name.startswith('head')

  scores = random_scores(MASKS, seed)
  if sparing and keep < 6:
    with pytest.raises(ValueError, match='6 are never pruned'):
      select(scores, MASKS, keep, scope, never_pruned)
    return
  new = select(scores, MASKS, keep, scope, never_pruned)
  assert counts(new)[0] == keep
  if sparing:
    assert new['head']['kernel'].all()
  if scope == 'leaf' and not sparing:
    for mask in flatten(new).values():
      if mask is not None:
        assert abs(mask.sum() - keep / 42 * mask.size) < 1
  again = select(scores, new, keep, scope, never_pruned)
  assert flatten(again).keys() == flatten(new).keys()
  for name, mask in flatten(again).items():
    np.testing.assert_array_equal(mask, flatten(new)[name])


def test_equal_scores_are_kept_by_position():
  equal = map_named(lambda _, m: None if m is None else m * 1.0, MASKS)
  new = select(equal, MASKS, 21)
  assert new['stem']['kernel'].all()
  np.testing.assert_array_equal(
    np.ravel(new['stage1']['block0']['kernel']), [1] + [0] * 8
  )
  assert counts(select(equal, MASKS, 0))[0] == 0
  for keep in (42, np.int64(42), np.array(42), jnp.int32(42)):
    assert counts(select(equal, MASKS, keep))[0] == 42


def test_wrong_selections():
  with pytest.raises(ValueError, match='cannot keep 43'):
    select(magnitude_scores(MASKS), MASKS, 43, 'leaf')
  with pytest.raises(ValueError, match="scope is 'layer'"):
    select(magnitude_scores(MASKS), MASKS, 1, 'layer')
  with pytest.raises(ValueError, match=r'keep is 0\.1; give a number of'):
    select(magnitude_scores(MASKS), MASKS, 0.1)
  nan = map_named(lambda _, m: None if m is None else m * np.nan, MASKS)
  with pytest.raises(ValueError, match='NaN'):
    select(nan, MASKS, 1)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.floats(0, 1))
def test_shares_sum_and_fit(sizes, fraction):
  total = round(fraction * sum(sizes))
  shares = share_out(total, sizes)
  assert sum(shares) == total
  assert all(
    0 <= share <= size for share, size in zip(shares, sizes, strict=True)
  )


def test_random_scores_differ_by_seed_and_leaf():
  one, other = random_scores(MASKS, 0), random_scores(MASKS, 1)
  assert not np.array_equal(one['stem']['kernel'], other['stem']['kernel'])
  assert one['stem']['bias'] is None


def test_losses_that_are_not_finite_are_named(tiny):
  variables, batches = tiny
  broken = {
    **variables,
    'batch_stats': jax.tree.map(lambda v: v * np.nan, variables['batch_stats']),
  }
  with pytest.raises(ValueError, match='scores are not finite'):
    snip_scores(Tiny().apply, broken, batches)
  with pytest.raises(ValueError, match='no batches'):
    snip_scores(Tiny().apply, variables, [])


def test_what_rounding_leaves_over_goes_to_the_largest_remainders():
  """7 of 9, 8 and 3 are 3.15, 2.8 and 1.05; of equal ones the first."""
  assert share_out(7, [9, 8, 3]) == [3, 3, 1]
  assert share_out(10, [5, 9, 6]) == [3, 4, 3]


STACK = Layout(units=r'layer_(\d+)', fixed=0)


class Stack(nn.Module):
  """Layers that the default layout does not know."""

  @nn.compact
  def __call__(self, x):
    for number in range(2):
      x = nn.relu(nn.Dense(8, name=f'layer_{number}')(x))
    return nn.Dense(3, name='head')(x)


def test_a_stage_is_what_the_layout_says():
  """Equal densities of layers and head, though the scores are of the head."""
  variables = Stack().init(jax.random.key(0), jnp.ones((1, 8)))
  params = jax.tree.map(np.asarray, variables['params'])
  params['head']['kernel'] = params['head']['kernel'] * 99
  masks = dense_masks(params, lambda name: name.endswith('kernel'))
  scores = magnitude_scores(params)
  arguments = Stack().apply, {'params': params}, masks, 76, (8,)
  for found in (
    select(scores, masks, 76, 'stage', layout=STACK),
    synflow_masks(*arguments, rounds=2, scope='stage', layout=STACK),
  ):
    assert found['head']['kernel'].sum() == 12  # of 24; 64 of 128 elsewhere
    assert counts(found)[0] == 76
  for choose in (
    lambda: select(scores, masks, 76, 'stage'),
    lambda: synflow_masks(*arguments, rounds=2, scope='stage'),
  ):
    with pytest.raises(ValueError, match=r'no stage found.*give the Layout'):
      choose()
