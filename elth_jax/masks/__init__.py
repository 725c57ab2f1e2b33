"""Masks over parameters: building, selecting, permuting and counting.

A mask tree has the structure of the parameters; a leaf is a bool array, true
where the weight is kept, or `None` where the parameter is dense and does not
count (biases, BN). Sparsity is the share of zeros among masked weights.
Functions that count or choose weights raise `ValueError`, naming the leaf, for
masks that are not bool: as indices, 0 and 1 would stand for two weights.
"""

from elth_jax.masks.counting import (
  NeverPruned,
  apply_masks,
  as_mask,
  check_bool,
  check_masks,
  check_prunable,
  collapsed,
  counts,
  dense_masks,
  keep_where,
  layer_densities,
  masked_leaves,
  nonzero_masks,
  nothing,
  sparsity,
)
from elth_jax.masks.magnitude import (
  count_to_prune,
  magnitude,
  prune_by_leaf,
  prune_magnitude,
)
from elth_jax.masks.permutation import (
  permute_globally,
  permute_within_leaves,
)
from elth_jax.masks.selection import (
  keep_largest,
  keep_largest_by_group,
)

__all__ = [
  'NeverPruned',
  'apply_masks',
  'as_mask',
  'check_bool',
  'check_masks',
  'check_prunable',
  'collapsed',
  'count_to_prune',
  'counts',
  'dense_masks',
  'keep_largest',
  'keep_largest_by_group',
  'keep_where',
  'layer_densities',
  'magnitude',
  'masked_leaves',
  'nonzero_masks',
  'nothing',
  'permute_globally',
  'permute_within_leaves',
  'prune_by_leaf',
  'prune_magnitude',
  'sparsity',
]
