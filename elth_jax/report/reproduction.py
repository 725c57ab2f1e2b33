"""What was reproduced, claim by claim: a page from finished workdirs."""

from collections.abc import Sequence
from pathlib import Path

from elth_jax import datasets
from elth_jax.process import devices
from elth_jax.report import (
  budget,
  computed,
  evidence,
  hypothesis,
  measures,
  overview,
  restated,
  study_section,
)
from elth_jax.report.evidence import Evidence
from elth_jax.report.overview import Stated, read_list
from elth_jax.report.results import of_targets
from elth_jax.report.summary import Cell, Row
from elth_jax.report.verdicts import judge_all
from elth_jax.storage.files import local_path, write_atomically
from elth_jax.study.analysis_nodes import DOUBLED

PAGE, KEPT = 'reproduction.md', 'results'
HEAD = """# What was reproduced

Written by `python -m elth_jax.reproduction`, from finished studies; nothing
here is typed by hand. What it was written from is in [results](results), and
`python -m elth_jax.reproduction docs/results/* --into=docs` writes it again,
with all figures.

`A > B`: A is more accurate, by the mean over all targets and levels that the
claim speaks of, or in each of them where it says `everywhere`; a two-sided test
at 5%. `A >= B within d`: A is behind by no more than d points, likewise, by a
one-sided test. Neither is supported if one target and level alone contradicts
it. `A ~ B within d`: they differ by no more, in each of them, by two one-sided
tests at 5%; it is contradicted by a two-sided one. Margins are in points, and
weigh more where networks err less; of claims 66 and 79 they are the paper's,
elsewhere ours, since the papers name none. Tests are over replicates, which
differ in their seeds, on one split of the data: Student's t where both sides go
back to one ticket, and Welch's elsewhere. P-values are corrected for all claims
of a study (Holm), those of arms that no paper has apart. Intervals are of 95%,
for `~` and `>=` of 90%. A diverged network counts as 0% accurate. Replicates
that agree by chance do not count as certain: a variance is at least that of
rounding to whole test images. A number behind `at` is a level of IMP, or with a
point a sparsity, the share of zeros. In tables of accuracies, ± is the
standard deviation over replicates, and of drops between two trainings the
interval of 95%.

To save time IMP prunes more at a level here than in the papers, which prune 20%
in ten to thirty levels; each study says how much.
"""


def write(
  workdirs: Sequence[Path | str],
  into: Path | str,
  claims: Path | str | None = None,
  restate: bool = False,
) -> Path:
  """Writes the page, its figures and what it was written from.

  Args:
    workdirs: of finished studies, or folders that an earlier page kept.
    into: where the page goes.
    claims: the list of all claims, of which the page shows what became; see
      `overview.read_list`.
    restate: judge by the claims that the package's configs state now, not by
      those that the studies were run with.

  Returns:
    Where the page is.

  Raises:
    FileNotFoundError: if a workdir has no config or results.
    ValueError: if its config is damaged, or names no paper; or if a path is
      not on this machine.
    devices.DeviceError: if JAX cannot use the devices it is told to use.
  """
  into = local_path(into, '--into')
  folders = [local_path(workdir, 'workdir') for workdir in workdirs]
  listed = read_list(local_path(claims, '--claims')) if claims else []
  devices.require()  # networks are traced to know what took which time
  parts = [evidence.read(folder) for folder in folders]
  if restate:
    parts = restated.restated(parts)
  _check_names(folders, parts)
  studies = evidence.pooled(parts)
  stated: list[Stated] = []
  texts: list[str] = []
  converged: dict[str, budget.Converged] = {}
  elastic: list[hypothesis.Findings] = []
  for study in studies:
    found = _cells(study)
    some = judge_all(study.spec.paper, found, study.spec.prune_fraction)
    paper = study.spec.paper
    gate = _gate(study, studies)
    name = f'{paper.title} ({paper.scale})'
    converged[name] = budget.converged(found, gate)
    scale = _scale_and_data(paper.scale, study.spec.dataset)
    stated += [
      Stated(paper.title, scale, claim, judged, converged[name])
      for claim, judged in some
    ]
    margin = hypothesis.margin_of(paper.claims)
    elastic.append(hypothesis.Findings(name, found, gate, margin))
    texts += study_section.section(study, found, some, gate, into)
  for part in reversed(parts):  # of one name the first is kept
    evidence.save(part, into / KEPT)
  pairs = hypothesis.tested(elastic)
  costs = computed.costs() if listed else []
  page = [
    HEAD,
    *hypothesis.section(pairs),
    *overview.in_short(stated, converged),
    *overview.table(stated, listed, {cost.claim for cost in costs}),
    *(computed.section(costs) if costs else ()),
    *texts,
    *overview.undecided(stated),
    *hypothesis.all_pairs(pairs),
  ]
  write_atomically(into / PAGE, '\n'.join(page))
  return into / PAGE


def _scale_and_data(scale: str, dataset: str) -> str:
  """The scale, and the data set where its name does not tell it."""
  if dataset.startswith(scale.partition('_')[0]):
    return scale
  return f'{scale}, {datasets.pretty(dataset)}'


def _check_names(folders: Sequence[Path], parts: Sequence[Evidence]) -> None:
  """What is kept of two studies must not be one folder.

  One study may be given twice, as a workdir and as what is kept of it.
  """
  first: dict[str, tuple[Path, Evidence]] = {}
  for folder, part in zip(folders, parts, strict=True):
    before, other = first.setdefault(part.name, (folder, part))
    if other.spec != part.spec:
      raise ValueError(
        f'{before} and {folder} are two studies of one title, scale and seed; '
        'run one again with another --config.paper.title'
      )
    now, then = ({r['key']: r for r in p.rows} for p in (part, other))
    for key in now.keys() & then.keys():
      if now[key]['test_accuracy'] != then[key]['test_accuracy']:
        raise ValueError(
          f'{now[key]["node"]} has another accuracy in {before} than in '
          f'{folder}: two runs of one study; give one of them'
        )


def _cells(study: Evidence) -> list[Cell]:
  """All that claims can speak of."""
  rows = of_targets(study.rows, study.spec)
  accuracies = study_section.accuracies(study)
  return [
    *accuracies,
    *measures.all_measures(
      accuracies, rows, study.spec, study.timed, study.diverged
    ),
    *measures.barriers(study.barriers),
    *measures.layers(study.layers),
  ]


def _gate(study: Evidence, studies: Sequence[Evidence]) -> budget.Gate | None:
  rows = of_targets(study.rows, study.spec)
  return budget.gate([*rows, *_doubled(rows, studies)], study.test_images)


def _doubled(rows: Sequence[Row], studies: Sequence[Evidence]) -> list[Row]:
  """Longer trainings of the same dense networks, in whichever study they are.

  The same are those of equal keys.
  """
  if any(row['method'] == DOUBLED for row in rows):
    return []
  own = {r['key']: r['replicate'] for r in rows if r['method'] == 'dense'}
  found = {}
  for other in studies:
    same = {
      (row['target'], row['replicate']): own[row['key']]
      for row in other.rows
      if row['key'] in own
    }
    for row in other.rows:
      place = row['target'], row['replicate']
      if row['method'] == DOUBLED and place in same:
        found[row['key']] = {**row, 'replicate': same[place]}
  return list(found.values())
