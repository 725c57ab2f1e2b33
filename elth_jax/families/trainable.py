"""Whether studies can train a family's module: what they give it, and keep."""

from typing import Any

import flax.errors
import jax
import jax.numpy as jnp

from elth_jax.families.family import kept_by_network
from elth_jax.nn import conv_backends

KEPT = ('params', 'batch_stats')
# what a module raises that asks for more -> what to say of it
_NEEDS = {
  flax.errors.InvalidRngError: (
    'its module needs random numbers {when}, for dropout or the like, and '
    'studies give it none; make it deterministic'
  ),
  flax.errors.ModifyScopeVariableError: (
    'its module changes variables {when} that studies do not carry; only '
    'batch_stats may change, and only in training'
  ),
  flax.errors.ScopeCollectionNotFound: (
    'its module keeps variables {when} that studies do not carry; keep them in '
    'params or batch_stats, and make them at initialisation'
  ),
  TypeError: (
    'its module cannot be called {when} as module(images, valid, train=...), '
    'where `valid`, 1 for examples and 0 for padding, may be None or left out'
  ),
}


@kept_by_network
def check_trainable(architecture: Any) -> None:
  """See `Architecture.check_trainable`."""
  if architecture.is_own:  # made of this library's layers, which are tested
    return
  family = f'family {architecture.family.name!r}'
  if extra := sorted(architecture.shapes().keys() - set(KEPT)):
    raise ValueError(
      f'{family}: its module keeps variables in {", ".join(extra)}, which '
      'studies do not carry; keep them in params or batch_stats'
    )
  for train, when in ((True, 'in training'), (False, 'in evaluation')):
    try:
      logits = _traced(architecture, train)
    except tuple(_NEEDS) as error:
      need = next(
        text for kind, text in _NEEDS.items() if isinstance(error, kind)
      )
      reason = str(error).partition('\n')[0]
      raise ValueError(
        f'{family}: {need.format(when=when)} ({reason})'
      ) from error
    wanted = (2, architecture.classes)
    if getattr(logits, 'shape', None) != wanted:
      raise ValueError(
        f'{family}: its module must return logits of shape {wanted} for 2 '
        f'images, and returns {logits}'
      )


def _traced(architecture: Any, train: bool):
  """The shape of two images' logits, called as `training.step` does."""
  module = architecture.module(conv_backends.COUNTED)

  def logits(variables, images, valid):
    if not train:
      return module.apply(variables, images)
    return module.apply(
      variables, images, valid, train=True, mutable='batch_stats'
    )[0]

  images = jax.ShapeDtypeStruct((2, *architecture.input_shape), jnp.float32)
  valid = jax.ShapeDtypeStruct((2,), jnp.float32)
  return jax.eval_shape(logits, architecture.shapes(), images, valid)
