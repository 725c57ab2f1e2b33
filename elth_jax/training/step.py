"""The training step and the evaluation, as pure functions of arrays."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from elth_jax.datasets.dataset import Images
from elth_jax.dynamic import Dynamic
from elth_jax.masks import apply_masks
from elth_jax.nn.conv_backends import total_over
from elth_jax.training.recipe import Recipe
from elth_jax.training.sampling import load_batch
from elth_jax.training.state import TrainState
from elth_jax.trees import PyTree

# Sums over examples: `loss`, `correct` and `count`.
Metrics = dict[str, jax.Array]


def make_step(
  module: nn.Module,
  recipe: Recipe,
  dataset: Images,
  optimizer: optax.GradientTransformationExtraArgs,
  dynamic: Dynamic | None = None,
  across: str | None = None,
) -> Callable[..., tuple[TrainState, Metrics]]:
  """The function (state, batch, resident) -> (state, metrics).

  A dynamic method may change the masks before the gradient is taken, and may
  take the place of the optimiser's step. `across` names the mapped axis over
  which a batch is split, if it is.
  """

  method = dynamic or Dynamic(init=lambda keep, seed: ())

  def step(state: TrainState, batch: PyTree, resident):
    chosen, truth, valid = load_batch(
      recipe, batch, resident, dataset.stored_shape
    )
    chosen = dataset.normalize(chosen).astype(recipe.dtype)
    masks, own = state.masks, state.dynamic
    if method.masks:
      masks, own = method.masks(state.step, state.params, masks, own)

    count = total_over(across, valid.sum())

    def loss_of(params):
      variables = {'params': params, 'batch_stats': state.batch_stats}
      logits, new = module.apply(
        variables, chosen, valid, train=True, mutable='batch_stats'
      )
      metrics = _metrics(logits, truth, valid, recipe.label_smoothing)
      return metrics['loss'] / count, (new, metrics)

    seen = apply_masks(state.params, masks) if method.dense else state.params
    grads, (new, metrics) = jax.grad(loss_of, has_aux=True)(seen)
    grads, metrics = total_over(across, (grads, metrics))

    def train(params, masks, opt_state):
      trained = jax.tree.map(lambda m: None, masks) if method.dense else masks
      updates, opt_state = optimizer.update(
        grads, opt_state, params, step=state.step, masks=trained
      )
      return optax.apply_updates(params, updates), masks, opt_state

    def change(params, masks, opt_state):
      assert method.update is not None
      return method.update(state.step, params, masks, grads, opt_state, own)

    now = state.params, masks, state.opt_state
    if method.due:
      now = lax.cond(method.due(state.step), change, train, *now)
    else:
      now = train(*now)
    state = TrainState(
      step=state.step + 1,
      params=now[0],
      batch_stats=new.get('batch_stats', state.batch_stats),
      opt_state=now[2],
      masks=now[1],
      dynamic=own,
    )
    return state, metrics

  return step


def make_segment(step: Callable) -> Callable:
  """The function that runs steps of one window, up to step `stop`.

  A window's batches begin at step `first`. The number of steps is data, so one
  compilation serves every segment: the rewind steps, a start in the middle of
  an epoch, whole epochs. Beside sums of
  metrics it returns `diverged`, the first step whose loss was not finite, or
  -1.
  """

  def segment(state: TrainState, stop, batches, first, resident):
    def body(carry):
      state, total = carry
      row = state.step - first
      batch = jax.tree.map(lambda a: a[row], batches)
      new, metrics = step(state, batch, resident)
      sums = jax.tree.map(jnp.add, total['sums'], metrics)
      bad = (total['diverged'] < 0) & ~jnp.isfinite(metrics['loss'])
      diverged = jnp.where(bad, state.step, total['diverged'])
      return new, {'sums': sums, 'diverged': diverged}

    zero = {name: jnp.zeros(()) for name in ('loss', 'correct', 'count')}
    start = {'sums': zero, 'diverged': jnp.full((), -1, jnp.int32)}
    state, total = lax.while_loop(
      lambda c: c[0].step < stop, body, (state, start)
    )
    return state, {**total['sums'], 'diverged': total['diverged']}

  return segment


def make_evaluation(
  module: nn.Module, dataset: Images, across: str | None = None
) -> Callable:
  """The function (params, batch_stats, masks, batches) -> metrics."""

  def evaluate(params, batch_stats, masks, images, labels):
    """Images (batches, size, h, w, c), labels (batches, size), -1 = padding."""
    params = apply_masks(params, masks)  # a dynamic method may train all
    variables = {'params': params, 'batch_stats': batch_stats}

    def body(i, total):
      logits = module.apply(variables, dataset.normalize(images[i]))
      valid = (labels[i] >= 0).astype(jnp.float32)
      metrics = _metrics(logits, jnp.maximum(labels[i], 0), valid)
      return jax.tree.map(jnp.add, total, metrics)

    zero = {name: jnp.zeros(()) for name in ('loss', 'correct', 'count')}
    sums = lax.fori_loop(0, images.shape[0], body, zero)
    return total_over(across, sums)

  return evaluate


def make_statistics(
  module: nn.Module, recipe: Recipe, dataset: Images
) -> Callable:
  """The function that takes BN statistics over some batches, one by one.

  It is (params, batch_stats, masks, images, valid, share) -> batch_stats: the
  mean of the statistics until then and of this batch's own, which count for
  `share`. So a first batch of share 1 leaves nothing of earlier statistics. The
  variance is the mean of the batches' variances, as in PyTorch's `update_bn`.
  """

  def statistics(params, batch_stats, masks, images, valid, share):
    params = apply_masks(params, masks)
    images = dataset.normalize(images).astype(recipe.dtype)

    def after(start):
      """The running averages after this batch."""
      _, new = module.apply(
        {'params': params, 'batch_stats': start},
        images,
        valid,
        train=True,
        mutable='batch_stats',
      )
      return new.get('batch_stats', start)

    zeros = jax.tree.map(jnp.zeros_like, batch_stats)
    ones = jax.tree.map(jnp.ones_like, batch_stats)
    # (1 - kept) of the batch's own, whatever the layer's momentum is
    moved, kept = jax.jvp(after, (zeros,), (ones,))

    def mean(old, new, kept):
      own = jnp.where(kept < 1, new / (1 - kept), old)
      return (1 - share) * old + share * own

    return jax.tree.map(mean, batch_stats, moved, kept)

  return statistics


def _metrics(logits, labels, valid, smoothing: float = 0.0) -> Metrics:
  logits = logits.astype(jnp.float32)
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
  if smoothing:
    spread = jax.nn.logsumexp(logits, -1) - logits.mean(-1)  # of all classes
    losses = (1 - smoothing) * losses + smoothing * spread
  correct = (logits.argmax(-1) == labels).astype(jnp.float32)
  return {
    'loss': jnp.sum(losses * valid),
    'correct': jnp.sum(correct * valid),
    'count': jnp.sum(valid),
  }
