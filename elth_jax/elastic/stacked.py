"""Leaves with an axis of layers: taking layers out and putting them together.

A leaf is a numpy or JAX array, sharded or not, or a shape alone
(`jax.ShapeDtypeStruct`).
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def take_layers(leaf: Any, layers: list[int], axis: int) -> Any:
  """The leaf with the given layers along an axis, repeated ones included."""
  at = (*[slice(None)] * axis, np.asarray(layers, int))
  if isinstance(leaf, jax.ShapeDtypeStruct):
    shape = (*leaf.shape[:axis], len(layers), *leaf.shape[axis + 1 :])
    return jax.ShapeDtypeStruct(shape, leaf.dtype)
  return _index(leaf, at, axis, len(layers))


def take_layer(leaf: Any, layer: int, axis: int) -> Any:
  """One layer of the leaf, without the axis of layers."""
  if isinstance(leaf, jax.ShapeDtypeStruct):
    shape = (*leaf.shape[:axis], *leaf.shape[axis + 1 :])
    return jax.ShapeDtypeStruct(shape, leaf.dtype)
  return _index(leaf, (*[slice(None)] * axis, layer), axis, None)


def stack_layers(layers: list[Any], axis: int) -> Any:
  """The inverse of `take_layer`; the kind of array is that of the layers."""
  first = layers[0]
  if isinstance(first, jax.ShapeDtypeStruct):
    shape = (*first.shape[:axis], len(layers), *first.shape[axis:])
    return jax.ShapeDtypeStruct(shape, first.dtype)
  if isinstance(first, jax.Array):
    return jax.numpy.stack(layers, axis)
  return np.stack(layers, axis)


def _index(leaf: Any, at: tuple, axis: int, length: int | None) -> Any:
  """`leaf[at]`; under explicit sharding the result's sharding must be told."""
  if not isinstance(leaf, jax.Array):
    return leaf[at]
  sharding = jax.typeof(leaf).sharding
  if not _is_explicit(sharding):
    return leaf[at]
  spec = [*sharding.spec, *[None] * (leaf.ndim - len(sharding.spec))]
  if length is None:
    del spec[axis]
  elif not _divides(sharding, spec[axis], length):
    spec[axis] = None  # what does not divide evenly is replicated
  out = NamedSharding(sharding.mesh, PartitionSpec(*spec))
  return leaf.at[at].get(out_sharding=out)


def _is_explicit(sharding: Any) -> bool:
  types = getattr(getattr(sharding, 'mesh', None), 'axis_types', ())
  return AxisType.Explicit in types


def _divides(sharding: Any, names: Any, length: int) -> bool:
  """Whether a length can be split over the mesh axes of these names."""
  names = () if names is None else names
  names = (names,) if isinstance(names, str) else names
  parts = int(np.prod([sharding.mesh.shape[name] for name in names]))
  return length % parts == 0
