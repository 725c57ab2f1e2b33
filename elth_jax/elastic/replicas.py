"""Changes to the replicas that a plan makes; originals stay as they are.

Each is a function of a target's tree and its plan, so it goes with any plan,
and with any other change. A replica is a target unit whose source unit was
copied before (`Plan.replicas`).
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from elth_jax.elastic.layout import Layout, Leaf
from elth_jax.elastic.plan import Plan
from elth_jax.randomness import generator
from elth_jax.trees import PyTree, map_named


def map_replicas(
  function: Callable[..., Any],
  tree: PyTree,
  plan: Plan,
  layout: Layout = Layout(),
  others: Sequence[PyTree] = (),
) -> PyTree:
  """Maps `function(leaf, *others)` over the leaves of replicas.

  Args:
    function: takes a `layout.Leaf` and the values of `others` there.
    tree: a tree that `plan` made.
    plan: says which units are replicas.
    layout: how the tree names its stages and units.
    others: trees of the same structure.

  Raises:
    ValueError: if the tree does not have the plan's depths.
  """
  depths = layout.depths(tree)
  if not depths.items() <= plan.depths.items():  # statistics may lack a stage
    raise ValueError(
      f'the tree has depths {depths}, but the plan makes {plan.depths}'
    )
  replicas = plan.replicas

  def change(leaf: Leaf, *rest):
    if leaf.value is None or leaf.unit not in replicas[leaf.stage or '']:
      return leaf.value
    return function(leaf, *rest)

  return layout.map_units(change, tree, *others)


def permute_masks(
  masks: PyTree, plan: Plan, seed: int, layout: Layout = Layout()
) -> PyTree:
  """Shuffles the masks of replicas, each within its own leaf.

  Needs dense weights behind it: a ticket's weights are zero outside its own
  masks.

  References:
    Chen et al. 2021, figure 4, "Interpolation - Random".
  """

  def permute(leaf: Leaf):
    draw = generator(seed, f'permute/{leaf.name}')
    flat = draw.permutation(np.ravel(leaf.value))
    return flat.reshape(leaf.value.shape)

  return map_replicas(permute, masks, plan, layout)


def add_noise(
  params: PyTree,
  masks: PyTree,
  plan: Plan,
  scale: float,
  seed: int,
  layout: Layout = Layout(),
) -> PyTree:
  """Adds Gaussian noise to the weights that replicas keep.

  Args:
    params: the target's parameters.
    masks: its masks; leaves without one (biases, BN) get no noise.
    plan: says which units are replicas.
    scale: the noise's standard deviation, as a multiple of that of the
      weights kept in the same leaf.
    seed: of the noise.
    layout: how the trees name their stages and units.

  Raises:
    ValueError: if the scale is negative or not finite, or, naming the leaf,
      if its kept weights are not finite floating-point numbers.
  """
  check_scale(scale)

  def noisy(leaf: Leaf, mask):
    if mask is None:
      return leaf.value
    return noisy_weights(leaf.name, leaf.value, mask, scale, seed)

  return map_replicas(noisy, params, plan, layout, [masks])


def check_scale(scale: float) -> None:
  """Raises `ValueError` if a scale of noise is negative or not finite."""
  if not 0 <= scale < math.inf:
    raise ValueError(f'scale is {scale}; give a finite number of at least 0')


def noisy_weights(name: str, weights, mask, scale: float, seed: int):
  """Weights with noise of `scale` times their own deviation where kept."""
  if np.asarray(mask).dtype != bool:
    raise ValueError(f'{name}: its mask is {mask.dtype}, not bool')
  if not jax.dtypes.issubdtype(weights.dtype, np.floating):
    raise ValueError(f'{name}: {weights.dtype} weights take no noise')
  kept = np.asarray(weights)[np.asarray(mask)]
  if not kept.size:
    return weights
  if kept.dtype.itemsize < 4:  # 16 bits are too few for a sum of squares
    kept = kept.astype(np.float32)
  deviation = scale * float(kept.std())
  if not math.isfinite(deviation):
    raise ValueError(
      f'{name}: the kept weights have no finite deviation; did the training '
      'diverge?'
    )
  draw = generator(seed, f'noise/{name}')
  noise = draw.standard_normal(weights.shape, np.float32) * deviation
  return weights + np.where(mask, noise, 0).astype(weights.dtype)


def scale_leaves(
  params: PyTree,
  plan: Plan,
  leaves: Sequence[str],
  factor: float,
  layout: Layout = Layout(),
) -> PyTree:
  """Multiplies some leaves of every replica, e.g. those of its last layer.

  By 0 at the last layer of a residual branch, replicas pass on what they are
  given, so that the stretched network computes what its source did.

  Args:
    params: the target's parameters.
    plan: says which units are replicas.
    leaves: regular expressions for the end of leaf names, e.g. `bn2/scale`.
    factor: what they are multiplied with; 0 gives zeros, whatever was there.
    layout: how the tree names its stages and units.

  Raises:
    ValueError: if an expression cannot be read or matches no leaf of any unit,
      or the factor is not finite, in the leaf's own dtype too.

  References:
    Goyal et al. 2017, section 5.1 (zero-initialised last BN scale).
  """
  if not math.isfinite(factor):
    raise ValueError(f'factor is {factor}; give a finite number')
  if isinstance(leaves, str):
    raise ValueError(f'leaves is {leaves!r}; give a list of expressions')
  names = [
    leaf.path for leaf in layout.leaves(params) if leaf.stage is not None
  ]
  for expression in leaves:
    try:
      re.compile(expression)
    except re.error as error:
      raise ValueError(f'cannot read {expression!r}: {error}') from None
    if not any(_ends(expression, name) for name in names):
      raise ValueError(f'no leaf of a unit ends in {expression!r}')

  def scaled(leaf: Leaf):
    if any(_ends(expression, leaf.path) for expression in leaves):
      return _scaled(leaf.path, leaf.value, factor)
    return leaf.value

  return map_replicas(scaled, params, plan, layout)


def reset_statistics(
  batch_stats: PyTree,
  plan: Plan | None = None,
  layout: Layout = Layout(),
) -> PyTree:
  """BN statistics as at initialisation: means 0, variances 1.

  Args:
    batch_stats: running statistics, leaves called `mean` and `var`.
    plan: to reset replicas only; everything when left out.
    layout: how the tree names its stages and units.
  """

  def fresh(name: str, value):
    last = re.split(r'[/.]', name)[-1]
    if last not in ('mean', 'var'):
      raise ValueError(f'{name} is neither a mean nor a var')
    return np.full_like(value, last == 'var')

  if plan is None:
    return map_named(
      lambda name, v: None if v is None else fresh(name, v), batch_stats
    )
  return map_replicas(
    lambda leaf: fresh(leaf.path, leaf.value), batch_stats, plan, layout
  )


def take_signs(params: PyTree, own: PyTree) -> PyTree:
  """The signs of `params` on the magnitudes of `own`; `own` where it is 0.

  Dtypes are those of `own`; a NaN there stays one.

  Raises:
    ValueError: naming the leaf, if the shapes differ or a sign is that of a
      NaN.

  References:
    Zhou et al., Deconstructing Lottery Tickets, 2019, section 4.
  """

  def signed(name, p, o):
    if p is None or o is None:
      return o
    if np.shape(p) != np.shape(o):
      raise ValueError(
        f'{name}: signs of shape {np.shape(p)} for weights of {np.shape(o)}'
      )
    if np.any(np.isnan(p)):
      raise ValueError(f'{name}: not all weights are numbers (NaN)')
    return np.where(p == 0, o, np.copysign(o, p).astype(o.dtype))

  return map_named(signed, params, own)


def _scaled(name: str, value, factor: float):
  """The value times the factor, in its own dtype."""
  if factor == 0:  # 0 times infinity would be no number
    xp = np if isinstance(value, np.ndarray) else jax.numpy
    return xp.zeros_like(value)
  with np.errstate(over='ignore'):
    scale = np.asarray(factor).astype(value.dtype)
  whole = not jax.dtypes.issubdtype(value.dtype, np.inexact)
  if (whole and scale != factor) or not np.isfinite(scale):
    raise ValueError(f'{name}: {value.dtype} cannot be multiplied by {factor}')
  return value * scale


def _ends(expression: str, name: str) -> bool:
  return re.fullmatch(rf'(?:.*[/.])?(?:{expression})', name) is not None
