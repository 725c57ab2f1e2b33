"""Presets: several fields of a config that are set together."""

from typing import Any

from elth_jax.reading import merged, read_value

# what the published runs did, where that is not our default: one weight more
# pruned at each level, SNIP over an epoch, GraSP by |S|, and ImageNet's mean
# and deviation for CIFAR
PUBLISHED: dict[str, Any] = {
  'reference_count': True,
  'imagenet_normalization': True,
  'pruning': {'batches': 0, 'grasp_absolute': True},
}


def apply_preset(values: dict[str, Any]) -> dict[str, Any]:
  """The config's fields without `published`, which sets those of `PUBLISHED`.

  Args:
    values: fields by name, nested as the config is.

  Raises:
    ValueError: if `published` is neither true nor false, or if it sets fields
      of a value that has none.
  """
  rest = {name: value for name, value in values.items() if name != 'published'}
  published = read_value('published', values.get('published', False), bool)
  return merged(rest, PUBLISHED) if published else rest
