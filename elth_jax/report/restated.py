"""Finished studies by the claims that the package's configs state today."""

import dataclasses
from collections.abc import Sequence

from elth_jax.report.evidence import Evidence
from elth_jax.study.shipped import load_all_shipped
from elth_jax.study.spec import Paper, read_config


def restated(studies: Sequence[Evidence]) -> list[Evidence]:
  """The studies with the claims and published numbers of today's configs.

  A study was finished with those of its day. Where a config has its title and
  scale, its `paper` takes their place; other studies stay as they are.
  """
  titles = {study.spec.paper.title for study in studies}
  today: dict[tuple[str, str], Paper] = {}
  for config in load_all_shipped():
    if config.paper.title in titles:
      for scale in ('paper', *config.scales):
        spec, _ = read_config({**config.to_dict(), 'scale': scale})
        today[spec.paper.title, scale] = spec.paper
  return [_with_paper(study, today) for study in studies]


def _with_paper(
  study: Evidence, today: dict[tuple[str, str], Paper]
) -> Evidence:
  paper = study.spec.paper
  paper = today.get((paper.title, paper.scale), paper)
  return dataclasses.replace(
    study, spec=dataclasses.replace(study.spec, paper=paper)
  )
