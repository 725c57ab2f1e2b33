"""Arrays between the host and devices, which may be those of several hosts."""

from collections.abc import Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding

from elth_jax.trees import PyTree

CHUNK = 2**22  # bytes that one compiled program sends


def put(tree: PyTree, sharding: NamedSharding) -> PyTree:
  """Host arrays, which every process has whole, on the devices."""
  if sharding.is_fully_addressable:
    return jax.device_put(tree, jax.tree.map(lambda _: sharding, tree))

  def place(leaf):
    array = np.asarray(leaf)
    return jax.make_array_from_callback(
      array.shape, sharding, lambda index: array[index]
    )

  return jax.tree.map(place, tree)


def put_part(
  part: np.ndarray, sharding: NamedSharding, shape: Sequence[int]
) -> jax.Array:
  """An array of which every process has what its own devices hold.

  Args:
    part: this process's part, a block of the whole.
    sharding: of the whole.
    shape: of the whole.
  """
  if sharding.is_fully_addressable:
    return jax.device_put(part, sharding)
  return jax.make_array_from_process_local_data(sharding, part, tuple(shape))


def fetch(tree: PyTree) -> PyTree:
  """Arrays on the host; every process whose devices hold them must call it.

  What is spread over processes is gathered a leaf at a time.
  """
  return jax.tree.map(_fetch, tree)


def _fetch(leaf: jax.Array) -> np.ndarray:
  if leaf.is_fully_addressable or leaf.is_fully_replicated:
    return np.asarray(leaf)
  return multihost_utils.process_allgather(leaf, tiled=True)


def broadcast(tree: PyTree) -> PyTree:
  """Process 0's arrays, on every host; all processes must call it.

  Args:
    tree: host arrays; those of the other processes say structure, shapes and
      dtypes alone.
  """
  leaves, structure = jax.tree.flatten(tree)
  leaves = [np.asarray(leaf) for leaf in leaves]
  size = sum(leaf.nbytes for leaf in leaves)
  content = np.zeros(-(-size // CHUNK) * CHUNK, np.uint8)
  content[:size] = np.concatenate([_bytes(leaf) for leaf in leaves])
  for chunk in content.reshape(-1, CHUNK):
    chunk[:] = multihost_utils.broadcast_one_to_all(chunk)
  found, at = [], 0
  for leaf in leaves:
    values = content[at : at + leaf.nbytes].copy()  # aligned
    found.append(values.view(leaf.dtype).reshape(leaf.shape))
    at += leaf.nbytes
  return jax.tree.unflatten(structure, found)


def _bytes(leaf: np.ndarray) -> np.ndarray:
  return leaf.reshape(-1).view(np.uint8)
