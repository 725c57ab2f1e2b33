"""Kernels that doubling or halving the width cannot be known to treat right.

The rule of `elastic.width` is right for kernels whose last axis is their
output and whose last axis but one is their only input. Names and shapes do
not always tell: attention, grouped convolutions and tied embeddings may have
the shapes of dense layers and convolutions. What is in doubt is named here,
with the reason.
"""

import re
from collections.abc import Callable, Mapping, Sequence

Shape = tuple[int, ...]

# copied along every axis that grows, never divided
COPIED = frozenset({'bias', 'scale', 'mean', 'var'})
_ATTENTION = (
  {'query', 'key', 'value'},
  {'q', 'k', 'v'},
  {'q_proj', 'k_proj', 'v_proj'},
  {'to_q', 'to_k', 'to_v'},
  {'wq', 'wk', 'wv'},
  {'qkv'},
  {'qkv_proj'},
  {'c_attn'},
)
_DEPTHWISE = re.compile(r'depthwise|(?:^|[/._])dw')


def check_kernels(
  shapes: Mapping[str, Shape],
  axes: Mapping[str, Sequence[int]],
  trusted: Callable[[str], bool] | None = None,
) -> None:
  """Refuses kernels that the rule may be wrong for.

  Args:
    shapes: of all leaves, before the change.
    axes: of the same leaves, the axes that change.
    trusted: names of leaves for which the caller knows the rule to be right.

  Raises:
    ValueError: naming the leaves, the reason and the remedy.
  """
  doubts = {
    name: reason
    for name, reason in doubtful(shapes, axes).items()
    if trusted is None or not trusted(name)
  }
  if not doubts:
    return
  name, reason = next(iter(doubts.items()))
  others = [other for other in doubts if other != name]
  more = f' (in doubt too: {", ".join(others)})' if others else ''
  raise ValueError(
    f'{name} of shape {shapes[name]}: {reason}{more}. If its last axis is its '
    'output and the last but one its only input, say so by '
    '`trusted=lambda name: name == ...`; else resize it by hand, and put None '
    'in its place'
  )


def doubtful(
  shapes: Mapping[str, Shape], axes: Mapping[str, Sequence[int]]
) -> dict[str, str]:
  """Leaf name -> why the rule may be wrong for it."""
  attention = _attention_nodes(shapes)
  reasons = {}
  for name, changed in axes.items():
    if changed and len(shapes[name]) > 1 and last_part(name) not in COPIED:
      reason = _doubt(name, shapes, axes, attention)
      if reason:
        reasons[name] = reason
  for name, reason in _ambiguous_inputs(shapes, axes).items():
    reasons.setdefault(name, reason)
  return reasons


def last_part(name: str) -> str:
  """`kernel` of `stage1/block0/conv1/kernel`, or of dotted names."""
  return re.split(r'[/.]', name)[-1]


def _doubt(name: str, shapes, axes, attention: set[str]) -> str:
  """Why the rule may be wrong for a leaf by itself; empty if it is not."""
  shape, changed, last = shapes[name], axes[name], last_part(name)
  if any(node in attention for node in _nodes_above(name)):
    return (
      'it belongs to an attention layer, whose heads are mixed up or whose '
      'logits are rescaled when channels are split'
    )
  if min(changed) < len(shape) - 2:
    return f'axes {list(changed)} change, not the last two alone'
  if last == 'weight' and (len(shape) > 2 or len(changed) < 2):
    return (
      'its name is that of a PyTorch weight, whose axes are in another order'
    )
  if last == 'embedding' and not _has_own_output(shapes, axes, shape[-2]):
    return (
      'no other kernel puts out as many numbers as the embedding has rows, so '
      'it may be the output layer too'
    )
  return _doubt_by_bias(name, shapes, changed)


def _doubt_by_bias(name: str, shapes, changed: Sequence[int]) -> str:
  """A bias shows how many output axes the kernel beside it has."""
  shape, last = shapes[name], last_part(name)
  bias = shapes.get(f'{name[: len(name) - len(last)]}bias')
  if bias is not None and len(bias) > 1 and bias == shape[-len(bias) :]:
    return f'its bias has the shape {bias}, so it has several output axes'
  stacked = (shape[0], shape[-1])
  one_output = bias in (shape[-1:], stacked)
  if len(shape) == 3 and len(shape) - 2 in changed and not one_output:
    return (
      'it may be of a 1D convolution or of a dense layer with several input '
      'or output axes'
    )
  return ''


def _ambiguous_inputs(shapes, axes) -> dict[str, str]:
  """Kernels whose input stays, unless they must be what reads the raw input.

  One such kernel is the stem. Of several, some may be grouped convolutions,
  whose groups would get other channels. An input of 1 is right either way.
  """
  sizes = {
    name: shapes[name][-2]
    for name, changed in axes.items()
    if len(shapes[name]) > 1
    and list(changed) == [len(shapes[name]) - 1]
    and last_part(name) not in (*COPIED, 'embedding')
    and not (shapes[name][-2] == 1 and _DEPTHWISE.search(name))
  }
  if len(sizes) < 2:
    return {}
  listed = ', '.join(f'{name} ({size})' for name, size in sizes.items())
  return {
    name: (
      f'{listed} keep their input size, so some may be grouped convolutions'
    )
    for name, size in sizes.items()
    if size > 1
  }


def _has_own_output(shapes, axes, rows: int) -> bool:
  """Whether a kernel from split channels to `rows` outputs is there."""
  return any(
    len(shape) > 1
    and shape[-1] == rows
    and list(axes[name]) == [len(shape) - 2]
    and last_part(name) not in (*COPIED, 'embedding')
    for name, shape in shapes.items()
    if name in axes
  )


def _nodes_above(name: str) -> list[str]:
  """The paths of all nodes that a leaf lies in; the root's is empty."""
  return ['', *(name[: found.start()] for found in re.finditer(r'[/.]', name))]


def _attention_nodes(names) -> set[str]:
  """The nodes whose children are called like an attention's projections."""
  children: dict[str, set[str]] = {}
  for name in names:
    for node in _nodes_above(name):
      below = name[len(node) + 1 :] if node else name
      children.setdefault(node, set()).add(re.split(r'[/.]', below)[0])
  return {
    node
    for node, below in children.items()
    if any(known <= below for known in _ATTENTION)
  }
