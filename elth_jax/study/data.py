"""The data sets of a study: the targets', and perhaps another of sources."""

import dataclasses

from elth_jax import datasets
from elth_jax.datasets.dataset import Dataset
from elth_jax.study.spec import StudySpec


def load(spec: StudySpec) -> dict[str, Dataset]:
  """The targets' data set, then that of the sources if it is another one.

  The sources' images take the shape of the targets', so that one network
  serves both; a head moves along where there are as many classes, and is fresh
  where there are not.

  Raises:
    ValueError: if a data set is unknown or does not suit the config.
    datasets.DatasetError: if the data is not there, or not the published data.
  """
  home = _prepared(spec, spec.dataset)
  found = {spec.dataset: home}
  if spec.source_dataset:
    away = _prepared(spec, spec.source_dataset, home.image_shape)
    found[spec.source_dataset] = away
  return found


def _prepared(
  spec: StudySpec, name: str, shape: tuple[int, int, int] | None = None
) -> Dataset:
  dataset = datasets.load(name).subset(spec.train_examples or None)
  if dataset.name != name:  # nodes know data sets by the config's names
    dataset = dataclasses.replace(dataset, name=name)
  if shape:
    dataset = dataset.in_shape(shape)
  if spec.imagenet_normalization:
    dataset = dataset.with_imagenet_normalization()
  return dataset
