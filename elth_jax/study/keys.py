"""Keys: hashes of all that determines a node, and of nothing else.

A field at its default is left out, so that a field that is added later changes
no key of before. The kinds of nodes, the kinds of steps, the methods and the
statistics of `Connect` have versions. A new version changes the keys of their
own nodes, and of all that depend on these: what a workdir has under an earlier
key is made again, and a note says why. A product under any other key is of
another study.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from elth_jax.reading import changed, is_text_value
from elth_jax.study.nodes import Connect, Derive, Node


@dataclasses.dataclass(frozen=True)
class Mended:
  """One change of what nodes make.

  Attributes:
    what: the change in words, as in `what changed since: ...`.
    of: the kind of node, the kind of step, the method, or the statistics of
      `Connect`.
    version: which it has since; it had the one before until then.
  """

  what: str
  of: str
  version: int


MENDED: tuple[Mended, ...] = (  # in order; to be appended to
  Mended('SET draws starting masks of its own, not those of RigL', 'set', 2),
  Mended('two trainings by RigL or SET end with two masks', 'connect', 2),
  Mended('DPF reaches its sparsity at the end of its schedule', 'dpf', 2),
  Mended('recomputed BN statistics are means over batches', 'recomputed', 2),
)
Keyed = TypeVar('Keyed', bound=Node)


def with_keys(node: Keyed, parents: Mapping[str, Node]) -> Keyed:
  """The node with its key and its earlier keys.

  Args:
    node: without keys.
    parents: role -> node, with keys.
  """
  keys = {role: parent.key for role, parent in parents.items()}
  earlier = []
  for number in range(len(MENDED)):
    before = {role: parent.earlier[number] for role, parent in parents.items()}
    earlier.append(_key(node, before, MENDED[number:]))
  return dataclasses.replace(
    node, key=_key(node, keys, ()), earlier=tuple(earlier)
  )


def _key(
  node: Node, parents: Mapping[str, str], undone: Sequence[Mended]
) -> str:
  """A node's key, or the one that it had before some changes."""
  if isinstance(node, Derive):
    version = _version(node.method, node.method_version, undone)
    node = dataclasses.replace(node, method_version=version)
  if isinstance(node, Connect):
    version = _version(node.statistics, node.statistics_version, undone)
    node = dataclasses.replace(node, statistics_version=version)
  determined_by = {
    **_plain(node, undone),
    'architecture': node.architecture.to_json(),
    'parents': dict(parents),
  }
  text = json.dumps(determined_by, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any, undone: Sequence[Mended]) -> Any:
  """A value in plain JSON, without what is at its default.

  Raises:
    TypeError: naming the value, if it is of no kind that keys can have.
  """
  if is_text_value(type(value)):
    return str(value)
  if isinstance(value, Mapping):
    return {name: _plain(item, undone) for name, item in value.items()}
  if isinstance(value, list | tuple):
    return [_plain(item, undone) for item in value]
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    names = value.settings() if isinstance(value, Node) else None
    fields = _plain(changed(value, names), undone)
    return {**_versioned(value, undone), **fields}
  if value is not None and not isinstance(value, bool | int | float | str):
    raise TypeError(f'no key can have {value!r}; give plain values')
  return value


def _versioned(value: Any, undone: Sequence[Mended]) -> dict[str, Any]:
  """The kind of a node or step, and its version if there were others."""
  kind = getattr(value, 'kind', None)
  if kind is None:
    return {}
  version = _version(kind, value.version, undone)
  return {'kind': kind, **({'version': version} if version != 1 else {})}


def _version(name: str, now: int, undone: Sequence[Mended]) -> int:
  return min([now, *(m.version - 1 for m in undone if m.of == name)])


def mended_since(key: str, earlier: Sequence[str], now: str) -> str:
  """What was mended since a product of an earlier key was made.

  Returns:
    One line; empty if the key is none of the earlier ones.
  """
  if key == now or key not in earlier:
    return ''
  first = max(n for n, one in enumerate(earlier) if one == key)
  after = (*earlier[first + 1 :], now)
  return '; '.join(
    mended.what
    for mended, one, next_ in zip(
      MENDED[first:], earlier[first:], after, strict=True
    )
    if one != next_
  )
