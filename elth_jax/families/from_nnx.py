"""Networks that are written in Flax's nnx, as families' modules."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
from flax import nnx

REMEDY = (
  'give families.from_nnx(lambda rngs: Net(..., rngs=rngs)), which makes it '
  'anew for every initialisation'
)


class FromNnx(nn.Module):
  """An nnx network as a Linen module, called as studies call one.

  Attributes:
    make: random numbers -> the nnx module.
  """

  make: Callable[[nnx.Rngs], nnx.Module]

  @nn.compact
  def __call__(self, images, valid=None, train=False):
    del valid  # an nnx module's BN counts the padding of a batch
    if self.is_initializing():
      model = self.make(nnx.Rngs(self.make_rng('params')))
      self._keep('params', _split(model)[1])
      self._keep('batch_stats', _split(model)[2])
    else:
      model = self._filled()
    model.train() if train else model.eval()
    logits: Any = model
    logits = logits(images)
    if train and not self.is_initializing():
      self._keep('batch_stats', _split(model)[2])
    return logits

  def _filled(self) -> nnx.Module:
    """The nnx module with the variables that this call was given."""
    shapes = nnx.eval_shape(lambda: self.make(nnx.Rngs(0)))
    graph, params, stats = _split(shapes)
    nnx.replace_by_pure_dict(params, dict(self.variables['params']))
    given = self.variables.get('batch_stats', {})
    nnx.replace_by_pure_dict(stats, dict(given))
    return nnx.merge(graph, params, stats)

  def _keep(self, collection: str, state: nnx.State) -> None:
    if self.is_mutable_collection(collection):
      for name, value in _named(nnx.to_pure_dict(state)).items():
        self.put_variable(collection, name, value)


def from_nnx(make: Callable[[nnx.Rngs], nnx.Module]) -> nn.Module:
  """A family's module from a function that makes an nnx module.

  Parameters (`nnx.Param`) become `params`, BN's statistics (`nnx.BatchStat`)
  `batch_stats`; leaves are named by their path, as in `blocks/0/kernel`. The
  nnx module is called with images (batch, height, width, channels) alone, after
  its `train()` or `eval()`, and returns logits (batch, classes). In training,
  its BN counts the padding of an epoch's last batch.

  Args:
    make: random numbers -> the module, with fresh parameters.

  Raises:
    ValueError: when the module is initialised, if it keeps other variables, as
      dropout does.
  """
  if isinstance(make, nnx.Module):
    raise ValueError(f'from_nnx was given a {type(make).__name__}; {REMEDY}')
  return FromNnx(make)


def checked(module: Any, family: str) -> nn.Module:
  """A family's module, if it is a Linen module.

  Raises:
    ValueError: naming the family and the remedy.
  """
  if isinstance(module, nnx.Module):
    raise ValueError(
      f'family {family!r}: {type(module).__name__} is an nnx module; {REMEDY}'
    )
  if not isinstance(module, nn.Module):
    raise ValueError(
      f'family {family!r}: its module is {module!r:.80}; give a '
      'flax.linen.Module, or families.from_nnx(...)'
    )
  return module


def _split(model: nnx.Module) -> tuple[Any, nnx.State, nnx.State]:
  """(graph, parameters, statistics)."""
  graph, params, stats, rest = nnx.split(model, nnx.Param, nnx.BatchStat, ...)
  others = {
    f'{"/".join(map(str, path))} ({type(leaf).__name__})'
    for path, leaf in nnx.to_flat_state(rest)
  }
  if others:
    raise ValueError(
      f'{type(model).__name__} keeps {", ".join(sorted(others))}, which '
      'studies do not carry; use nnx.Param and nnx.BatchStat alone, and no '
      'dropout'
    )
  return graph, params, stats


def _named(tree: Mapping[Any, Any]) -> dict[str, Any]:
  """A tree with text for keys: nnx numbers the items of a list."""
  return {
    str(key): _named(value) if isinstance(value, Mapping) else value
    for key, value in tree.items()
  }
