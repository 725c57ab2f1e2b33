"""SynFlow: pruning without data, in many small rounds."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.elastic.layout import Layout
from elth_jax.limits import number_of_weights
from elth_jax.masks import NeverPruned, apply_masks, counts, nothing
from elth_jax.process.devices import cpu_device
from elth_jax.process.older_jax import enable_x64
from elth_jax.pruners.float64 import in_float64
from elth_jax.pruners.gradients import Apply, params_of
from elth_jax.pruners.select import Scope, select
from elth_jax.trees import PyTree, map_named


def synflow_scores(
  apply: Apply, variables: Mapping[str, PyTree], input_shape: tuple[int, ...]
) -> PyTree:
  """|w dR/dw| of R, the sum of outputs of the all-positive network on ones.

  Every parameter and BN statistic is replaced by its absolute value. Outputs
  of deep networks overflow float32, so all is computed in float64, on CPU
  whatever the backend, and whatever dtypes the model names for itself.

  Args:
    apply: (variables, inputs) -> outputs, with BN in evaluation mode.
    variables: `params`, and whatever else the model has.
    input_shape: of one example.

  Raises:
    ValueError: if R overflows float64 all the same, or the model computes
      something in a dtype of its own that cannot be widened.

  References:
    Tanaka et al., Pruning neural networks without any data by iteratively
    conserving synaptic flow, 2020, equation 4 and algorithm 1.
  """
  with enable_x64(), jax.default_device(cpu_device('SynFlow')):
    positive = jax.tree.map(_positive, dict(variables))
    positive['params'] = jax.tree.map(
      lambda leaf: leaf.astype(jnp.float64), params_of(positive)
    )
    ones = jnp.ones((1, *input_shape), jnp.float64)
    gradient = jax.tree.map(np.asarray, _flow_gradient(apply, positive, ones))

  def score(name, weight, slope):
    found = np.abs(np.asarray(weight, np.float64) * slope)
    if not np.isfinite(found).all():
      raise ValueError(f'{name}: SynFlow overflows float64')
    return found

  return map_named(score, variables['params'], gradient)


def synflow_masks(
  apply: Apply,
  variables: Mapping[str, PyTree],
  masks: PyTree,
  keep: int,
  input_shape: tuple[int, ...],
  rounds: int = 100,
  scope: Scope | str = 'global',
  never_pruned: NeverPruned = nothing,
  layout: Layout = Layout(),
) -> PyTree:
  """Masks of exactly `keep` weights, after an exponential schedule of rounds.

  Args:
    apply: (variables, inputs) -> outputs, with BN in evaluation mode.
    variables: `params`, and whatever else the model has.
    masks: the present masks, `None` where a leaf is unprunable.
    keep: how many weights stay in the end.
    input_shape: of one example.
    rounds: after round k of n the density is (keep / total)^(k / n).
    scope: see `select`.
    never_pruned: names of leaves that are counted but left as they are.
    layout: says which leaves make a stage; see `select`.

  Raises:
    ValueError: if `rounds` or `keep` is out of range; as `select` does.
  """
  if rounds < 1:
    raise ValueError(f'rounds is {rounds}; give at least 1')
  keep = number_of_weights(keep)
  start, _ = counts(masks)
  if not 0 < keep <= start:
    raise ValueError(f'cannot keep {keep} of {start} weights')
  for number in range(1, rounds + 1):
    params = apply_masks(params_of(variables), masks)
    scores = synflow_scores(apply, {**variables, 'params': params}, input_shape)
    now = round(start * (keep / start) ** (number / rounds))
    now = keep if number == rounds else max(now, keep)
    masks = select(scores, masks, now, scope, never_pruned, layout)
  return masks


def _positive(leaf: Any) -> jax.Array:
  """Absolute values in float64; counters stay whole numbers."""
  array = np.asarray(leaf)
  if not jnp.issubdtype(array.dtype, jnp.inexact):
    return jnp.abs(jnp.asarray(array))
  return jnp.abs(jnp.asarray(array, jnp.float64))


@functools.partial(jax.jit, static_argnums=0)
def _flow_gradient(apply, variables: Any, ones):
  def flow(params, variables, ones):
    return jnp.sum(apply({**variables, 'params': params}, ones))

  return in_float64(jax.grad(flow), variables['params'], variables, ones)
