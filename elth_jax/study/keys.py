"""Keys: hashes of all that determines a node, and those of earlier versions.

A method that was mended gives its nodes other keys than before, and with them
all nodes that depend on these. What a workdir has under an earlier key is made
again, and a note says why; under any other key it is of another study.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from elth_jax.datasets.dataset import IMAGENET_MEAN, IMAGENET_STD

Spec = dict[str, Any]


def key_of(
  kind: str, architecture: Any, spec: Mapping[str, Any], parents: Mapping
) -> str:
  """The hash of all that determines a node, in hexadecimal.

  Args:
    kind: of the node.
    architecture: plain JSON values.
    spec: plain JSON values.
    parents: role -> key.
  """
  determined_by = {
    'kind': kind,
    'architecture': architecture,
    'spec': spec,
    'parents': parents,
  }
  text = json.dumps(determined_by, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _grasp_over_all_leaves(spec: Spec) -> Spec:
  if spec.get('method') != 'grasp':
    return spec
  return {name: value for name, value in spec.items() if name != 'version'}


def _imagenet_constants_for_all(spec: Spec) -> Spec:
  if 'data' in spec:
    return {**spec, 'data': _imagenet_constants_for_all(spec['data'])}
  colour = len(spec.get('normalization', ((),))[0]) == 3
  if not colour or spec['dataset'].startswith('cifar'):
    return spec
  constants = [list(IMAGENET_MEAN), list(IMAGENET_STD)]
  return {**spec, 'normalization': constants}


# in order: what was mended, and a node's spec as it was before
MENDED: tuple[tuple[str, Callable[[Spec], Spec]], ...] = (
  (
    'GraSP takes gradients and Hessian products over prunable weights alone',
    _grasp_over_all_leaves,
  ),
  (
    "ImageNet's normalisation is for CIFAR alone",
    _imagenet_constants_for_all,
  ),
)


def earlier_keys(
  kind: str,
  architecture: Any,
  spec: Spec,
  parents_before: Mapping[str, tuple[str, ...]],
) -> tuple[str, ...]:
  """A node's key before each of `MENDED`, oldest first.

  Args:
    kind: of the node.
    architecture: plain JSON values.
    spec: as it is now.
    parents_before: role -> that node's earlier keys.
  """
  keys = []
  for number in range(len(MENDED)):
    then = spec
    for _, before in reversed(MENDED[number:]):
      then = before(then)
    keys.append(
      key_of(
        kind,
        architecture,
        then,
        {role: before[number] for role, before in parents_before.items()},
      )
    )
  return tuple(keys)


def mended_since(key: str, earlier: tuple[str, ...], now: str) -> str:
  """What was mended since a product of an earlier key was made.

  Returns:
    One line; empty if the key is none of the earlier ones.
  """
  if key == now or key not in earlier:
    return ''
  first = max(n for n, one in enumerate(earlier) if one == key)
  changed = [
    what
    for (what, _), one, after in zip(
      MENDED[first:], earlier[first:], (*earlier[first + 1 :], now), strict=True
    )
    if one != after
  ]
  return '; '.join(changed)
