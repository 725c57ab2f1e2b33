"""The data sets of a study: the targets', and perhaps others of sources."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from elth_jax import datasets
from elth_jax.datasets import Dataset, Images, Stream
from elth_jax.datasets.read_ahead import Reading
from elth_jax.study.spec import RunOptions, StudySpec

Data = TypeVar('Data', bound=Images)


def load(
  spec: StudySpec, options: RunOptions | None = None
) -> dict[str, Dataset | Stream]:
  """The targets' data set, then those of the sources if there are others.

  Every data set keeps its image size, or takes that of `image_size`. Grey
  images get as many channels as the study's others have, so that one network
  serves all; a head moves along where there are as many classes, and is fresh
  where there are not.

  Raises:
    ValueError: if a data set is unknown or does not suit the config.
    datasets.DatasetError: if the data is not there, or not the published data.
  """
  found = _prepared(spec, datasets.load)
  if not options:
    return found
  reading = Reading(options.read_threads, options.read_processes)
  return {
    name: dataclasses.replace(data, reading=reading)
    if isinstance(data, Stream)
    else data
    for name, data in found.items()
  }


def outline(spec: StudySpec) -> dict[str, Images]:
  """The same data sets as far as a plan needs them, here or not.

  Raises:
    ValueError: if a data set is unknown or does not suit the config.
  """
  return _prepared(spec, datasets.outline)


def _prepared(spec: StudySpec, get: Callable[[str], Data]) -> dict[str, Data]:
  names = dict.fromkeys((spec.dataset, *spec.source_datasets))
  found = {
    name: get(name).subset(spec.train_examples or None) for name in names
  }
  channels = max(data.image_shape[-1] for data in found.values())
  return {
    name: _suited(spec, name, data, channels) for name, data in found.items()
  }


def _suited(spec: StudySpec, name: str, data: Data, channels: int) -> Data:
  height, width, _ = data.image_shape
  size = (spec.image_size or height, spec.image_size or width)
  data = dataclasses.replace(data, name=name)  # as the config calls it
  data = data.in_shape((*size, channels))
  if spec.imagenet_normalization:
    data = data.as_published()
  return data
