"""Tickets: a network's rewound weights, its masks, and where they came from."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from elth_jax import masks as masks_lib
from elth_jax import ticket_file
from elth_jax.elastic.plan import Plan
from elth_jax.elastic.tables import Units
from elth_jax.files import write_atomically
from elth_jax.trees import PyTree, check_same_leaves, flatten, unflatten

COLLECTIONS = ('params', 'batch_stats', 'masks')


@dataclasses.dataclass(frozen=True, eq=False)
class Ticket:
  """A sparse network at its rewind point, as an immutable value.

  Attributes:
    architecture: the network in plain values, as
      `families.Architecture.to_json` writes it.
    params: parameters at the rewind step, float numpy arrays by stage and
      block; exactly zero where pruned.
    batch_stats: BN running statistics at the rewind step; may be empty.
    masks: bool numpy arrays, true where kept, with the structure of `params`;
      `None` where a parameter is dense and not counted.
    provenance: where it came from, in plain JSON values (method, level,
      rewind step, dataset, seeds, plan, parents).

  Raises:
    ValueError: naming the leaf, if masks and parameters do not agree, or a
      pruned weight is not zero.
  """

  architecture: Mapping[str, Any]
  params: PyTree
  batch_stats: PyTree
  masks: PyTree
  provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    for name in COLLECTIONS:
      object.__setattr__(self, name, jax.tree.map(_host, getattr(self, name)))
    params, masks = flatten(self.params), flatten(self.masks)
    check_same_leaves(params, masks, 'masks of a ticket')
    for name, mask in masks.items():
      if mask is None:
        continue
      if mask.dtype != bool or mask.shape != params[name].shape:
        raise ValueError(
          f'mask {name}: {mask.dtype}{mask.shape}, but the weight needs '
          f'bool{params[name].shape}'
        )
      if np.any(params[name][~mask]):
        raise ValueError(
          f'{name}: weights outside the mask are not zero; '
          'apply_masks(params, masks) first'
        )

  @property
  def sparsity(self) -> float:
    """The share of zeros, 0 to 1, over all prunable weights."""
    return masks_lib.sparsity(self.masks)

  def save(self, path: Path | str) -> None:
    """Writes the ticket to one safetensors file, whole or not at all.

    Raises:
      ValueError: if the provenance is no JSON.
    """
    about = {
      'architecture': dict(self.architecture),
      'provenance': dict(self.provenance),
    }
    write_atomically(path, ticket_file.encode(self._tensors(), about))

  @classmethod
  def load(cls, path: Path | str):
    """Reads a ticket; the file may come from anybody.

    Sizes are bounded and hashes checked before anything is allocated; nothing
    in the file is executed, imported or used as a path.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is damaged, is no ticket, exceeds the limits of
        `ticket_file`, or contradicts itself.
    """
    tensors, about = ticket_file.read(path)
    try:
      return cls._from_tensors(tensors, about)
    except (ValueError, LookupError, TypeError) as error:
      raise ticket_file.unsound(path, error) from error

  def save_pretrained(self, folder: Path | str) -> None:
    """Writes the ticket and a card into a folder; see `hub`."""
    from elth_jax import hub

    hub.save_pretrained(self, folder)

  @classmethod
  def from_pretrained(cls, name: Path | str, **options: Any):
    """The ticket in a folder or in a repository; see `hub.from_pretrained`."""
    from elth_jax import hub

    return hub.from_pretrained(name, **options)

  def push_to_hub(self, repository: str, **options: Any) -> str:
    """Uploads the ticket and its card; see `hub.push_to_hub`."""
    from elth_jax import hub

    return hub.push_to_hub(self, repository, **options)

  def transform(
    self,
    target: str,
    *,
    order: str = 'append',
    units: Units | Mapping[str, Units] | None = None,
    keep: Units | Mapping[str, Units] | None = None,
    drop: Units | Mapping[str, Units] | None = None,
    plan: Plan | None = None,
  ):
    """The ticket of another depth of the same family, checked against it.

    Args:
      target: the network wanted, e.g. `resnet32`; width, input and classes
        stay.
      order: how replicas are arranged when stretching, `append` or
        `interpolate`, or any rule of `elastic.rules`.
      units: the units to replicate when stretching.
      keep: the units to keep when squeezing; see `squeeze_tree`.
      drop: the units to drop when squeezing.
      plan: a plan of your own instead of these rules.

    Raises:
      ValueError: if the target is of another family or unknown, or the result
        does not have exactly its leaves, shapes and dtypes.
    """
    from elth_jax import transform

    if plan is None:
      plan = transform.plan_for(self, target, order, units, keep, drop)
    return transform.transform(self, target, plan)

  def derive(self, **changes: Any):
    """A ticket whose leaves are leaves of this one, which are not read again.

    Args:
      **changes: fields, as for `dataclasses.replace`; wherever a weight is
        used its own mask is used too, so their agreement is not checked.
    """
    new = object.__new__(type(self))
    for field in dataclasses.fields(self):
      value = changes.get(field.name, getattr(self, field.name))
      object.__setattr__(new, field.name, value)
    return new

  def _tensors(self) -> dict[str, np.ndarray]:
    return {
      f'{collection}/{name}': np.ascontiguousarray(leaf)
      for collection in COLLECTIONS
      for name, leaf in flatten(getattr(self, collection)).items()
      if leaf is not None
    }

  @classmethod
  def _from_tensors(cls, tensors: Mapping[str, np.ndarray], about: Any):
    parts: dict[str, dict[str, Any]] = {name: {} for name in COLLECTIONS}
    for name, tensor in tensors.items():
      collection, _, leaf = name.partition('/')
      if collection not in parts:
        raise ValueError(f'unknown tensor {name!r}')
      parts[collection][leaf] = tensor
    stray = parts['masks'].keys() - parts['params'].keys()
    if stray:
      raise ValueError(f'masks without weights: {sorted(stray)}')
    masks = {name: parts['masks'].get(name) for name in parts['params']}
    for name in ('architecture', 'provenance'):
      if not isinstance(about[name], dict):
        raise ValueError(f'its {name} is no JSON object')
    return cls(
      architecture=about['architecture'],
      params=unflatten(parts['params']),
      batch_stats=unflatten(parts['batch_stats']),
      masks=unflatten(masks),
      provenance=about['provenance'],
    )


def _host(leaf: Any) -> np.ndarray:
  """A read-only host array that no donation or later edit can reach."""
  if isinstance(leaf, np.ndarray) and not leaf.flags.writeable:
    return leaf
  array = np.array(leaf)
  array.flags.writeable = False
  return array
