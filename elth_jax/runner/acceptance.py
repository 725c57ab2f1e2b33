"""Whether a workdir may go on with a config."""

from collections.abc import Callable, Mapping
from typing import Any

from elth_jax.datasets import Images
from elth_jax.reading import as_json
from elth_jax.study import data
from elth_jax.study.graph import build
from elth_jax.study.known_names import check_names
from elth_jax.study.nodes import Node
from elth_jax.study.spec import StudySpec
from elth_jax.workdir import outputs
from elth_jax.workdir.store import Store, StoreError


def accept(
  store: Store, spec: StudySpec, nodes: Mapping[str, Node]
) -> list[str]:
  """Writes the config, unless an earlier one forbids it; what to say of it.

  A change is accepted if every node of the earlier study is still there,
  determined by the same things: then it only adds work.
  """
  config = as_json(spec)
  earlier, notes = outputs.read_config(store, config)
  if earlier == config and not notes:
    return []
  if earlier is not None:
    check_change(store, earlier, spec, nodes, data.load)
  outputs.write_config(store, config)
  return notes


def check_change(
  store: Store,
  earlier: Mapping[str, Any],
  spec: StudySpec,
  nodes: Mapping[str, Node],
  load: Callable[[StudySpec], Mapping[str, Images]],
) -> None:
  """Refuses a config that does not only add work to an earlier one.

  Args:
    store: the workdir.
    earlier: its config.
    spec: what is asked for now.
    nodes: its graph.
    load: the data of the earlier study, as that of `nodes`.

  Raises:
    StoreError: naming what differs.
  """
  try:
    former = StudySpec.from_config(earlier)
    check_names(former)
    before = build(former, load(former))
  except ValueError as error:
    raise StoreError(
      f'{store.root / outputs.CONFIG}: {error}. Give the config that this '
      'workdir was started with, or another --workdir. If the file is damaged, '
      'remove it to have what is finished compared with the config given'
    ) from error
  if any(
    name not in nodes or nodes[name].key != node.key
    for name, node in before.items()
  ):
    raise StoreError(
      f'{store.root} holds a study with other settings: '
      f'{_differences(earlier, as_json(spec))}; give another --workdir, '
      'or change only what adds runs'
    )


def _differences(old: Mapping, new: Mapping, prefix: str = '') -> str:
  found = []
  for key in sorted(old.keys() | new.keys()):
    one, other = old.get(key), new.get(key)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
      inner = _differences(one, other, f'{prefix}{key}.')
      found += [inner] if inner else []
    elif one != other:
      found.append(f'{prefix}{key} was {one}, now {other}')
  return '; '.join(found)
