"""Every file in configs/ and experiments/ is a study that could run."""

import csv
import dataclasses
import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest

from elth_jax import datasets, reproduction
from elth_jax.reading import as_json
from elth_jax.report import computed
from elth_jax.report.verdicts import added_arm
from elth_jax.runner import session
from elth_jax.study import data, estimate
from elth_jax.study.analysis_nodes import DOUBLED
from elth_jax.study.claims import Claim, claim_ids
from elth_jax.study.graph import build
from elth_jax.study.nodes import Train
from elth_jax.study.scope import level_at
from elth_jax.study.sides import Side
from elth_jax.study.spec import StudySpec, read_config
from tests.conftest import make_dataset

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob('configs/*.py'), *ROOT.glob('experiments/*.py')])


def load(path):
  module_spec = importlib.util.spec_from_file_location(path.stem, path)
  module = importlib.util.module_from_spec(module_spec)
  module_spec.loader.exec_module(module)
  return module


MODULES = {path: load(path) for path in FILES}
CONFIGS = [
  (path, argument)
  for path, module in MODULES.items()
  for argument in getattr(module, 'CHOICES', ('',))
]


def name_of(value):
  return value.stem if isinstance(value, Path) else value


def config_of(path, argument):
  get_config = MODULES[path].get_config
  return get_config(argument) if argument else get_config()


@pytest.mark.parametrize(('path', 'argument'), CONFIGS, ids=name_of)
def test_configs_build_their_graph_and_say_how_to_run_it(path, argument):
  assert f'--config={path.relative_to(ROOT)}' in MODULES[path].__doc__
  config = config_of(path, argument)
  for scale in ('paper', *config.scales):
    config.scale = scale
    spec, _ = read_config(config, {'replicates': 1})  # all are alike
    nodes = build(spec, data.outline(spec))
    methods = {node.subject.method for node in nodes.values()}
    doubled = {DOUBLED} if spec.analyses.doubled else set()
    assert methods - {'imp'} == {'dense', *spec.methods, *doubled} - {'imp'}
    planned = estimate.describe(nodes, spec, every=True)
    assert all(name in planned for name in nodes)
    assert re.search(r'training runs?, \d\.\d\de\+\d\d FLOPs\n', planned)
    if scale == 'gpu':
      replicates = read_config(config)[0].replicates
      assert replicates * minutes_of_an_h100(nodes, spec.image_size) < 10
    if scale == 'digits':  # needs no other data
      assert {spec.dataset, *spec.source_datasets} == {'digits'}
      assert '`--config.scale=digits`' in MODULES[path].__doc__
    if path.parent.name == 'experiments':
      speaks_of_what_is_trained(spec, nodes)


# operations a minute of an H100, compiling aside: ResNets of 16 channels in
# docs/results/e-lth-figure-6-gpu, and VGG-16 in benchmarks/RESULTS.md, four
# tickets at once; the shares of that with small images are guesses
NARROW, WIDE = 2.2e15, 4.1e15
NARROW_SMALL, WIDE_SMALL = 0.5, 0.7


def minutes_of_an_h100(nodes, image_size):
  """About how long a study takes there."""
  minutes = 0
  for node in nodes.values():
    narrow = re.match('resnet|mlp', node.architecture.name)
    rate = NARROW if narrow else WIDE
    if 0 < image_size < 32:
      rate *= NARROW_SMALL if narrow else WIDE_SMALL
    minutes += estimate.dense_flops(node) / rate
  return minutes


def settings(spec):
  """What decides which networks a study trains, and what is asked of them."""
  values = as_json(spec)
  for name in ('replicates', 'seed', 'analyses'):
    del values[name]
  return json.loads(json.dumps(values))


def test_results_that_are_kept_are_of_the_configs_as_they_are():
  """Whoever runs a scale gets what the page shows of it."""
  known = {}
  for path, argument in CONFIGS:
    config = config_of(path, argument)
    for scale in config.scales:
      config.scale = scale
      spec, _ = read_config(config)
      known[spec.paper.title, scale] = settings(spec)
  titles = {title for title, _ in known}
  compared = 0
  for file in sorted(ROOT.glob('docs/results/*/config.json')):
    spec = StudySpec.from_config(json.loads(file.read_text()))
    if spec.paper.title in titles:
      assert settings(spec) == known[spec.paper.title, spec.paper.scale], file
      compared += 1
  assert compared > 20


def speaks_of_what_is_trained(spec, nodes):
  """At the paper's scale, every claim has both sides and its levels."""
  runs = [node for node in nodes.values() if isinstance(node, Train)]
  asked = ('method', 'order', 'source', 'source_dataset')
  ways = {tuple(n.subject.columns().get(k, '') for k in asked) for n in runs}
  ways |= {(*way, spec.dataset) for *way, elsewhere in ways if not elsewhere}
  assert spec.paper.title and spec.paper.question
  for claim in spec.paper.claims if spec.paper.scale == 'paper' else ():
    for side in (claim.one, claim.other):
      if isinstance(side, Side):
        plain = dataclasses.replace(side, method=side.trained)
        assert any(plain.matches(*way) for way in ways), (claim, side)
        if side.measure == 'barrier':
          assert side.trained in spec.analyses.connectivity
    levels = {level_at(s, spec.prune_fraction) for s in claim.sparsities}
    assert levels | {*claim.levels} <= {*spec.compare_levels}, claim
    on = {*claim.targets, claim.against} - {''}
    assert on <= {*spec.targets, 'all'}, claim


def test_no_claim_of_the_papers_is_lost():
  """experiments/claims.csv lists them; a claim of a config says which it is."""
  with (ROOT / 'experiments/claims.csv').open(newline='') as file:
    listed = list(csv.DictReader(file))
  assert len({row['id'] for row in listed}) == len(listed) == 98
  said, lines = {}, {}
  for path, argument in CONFIGS:
    config = config_of(path, argument)
    paper = config.paper
    for scale in config.scales:  # no claim there that the paper's has not
      config.scale = scale
      smaller = read_config(config)[0].paper.claims
      numbered = {claim.text for claim in smaller if claim_ids(claim.where)}
      assert numbered <= set(paper.claims), (path, scale)
    for claim in map(Claim.parse, paper.claims):
      for number in map(str, claim_ids(claim.where)):
        said.setdefault(number, set()).add(path.name)
        if not added_arm(claim):
          lines.setdefault(number, set()).add((paper.title, claim.text))
  for row in listed:
    files = set(row['experiments'].split())
    assert int(row['lines']) == len(lines.get(row['id'], ())), row
    assert all((ROOT / 'experiments' / name).is_file() for name in files)
    if row['kind'] == 'claim':
      assert files <= said.get(row['id'], set()), row
    elif row['kind'] == 'computed':
      assert int(row['id']) in {cost.claim for cost in computed.costs()}
    else:
      assert row['kind'] in ('setup', 'number') and row['id'] not in said
  assert said.keys() <= {row['id'] for row in listed}


def test_the_scale_of_the_paper_has_its_numbers():
  numbers = {}
  for path, argument in CONFIGS:
    count = len(config_of(path, argument).paper.published)
    numbers[path.stem] = numbers.get(path.stem, 0) + count
  assert numbers['elth_table3'] == 15
  assert numbers['elth_table5_mlp'] == numbers['elth_table5_vgg'] == 9
  assert numbers['elth_table1'] == 30 + 2  # and the costs of table 2
  assert numbers['elth_table6'] == 2 * 5


def test_the_ladder_has_every_pair_of_the_paper():
  (path,) = (p for p in FILES if p.stem == 'elth_figure6')
  spec, _ = read_config(config_of(path, ''))
  pairs = {
    (n.subject.source, n.subject.target)
    for n in build(spec, data.outline(spec)).values()
    if n.subject.method == 'ett'
  }
  assert len(pairs) == 20


@pytest.mark.slow
@pytest.mark.parametrize(
  ('path', 'argument'),
  [one for one in CONFIGS if one[0].parent.name == 'experiments'],
  ids=name_of,
)
def test_every_experiment_runs_to_its_figure(
  path, argument, tmp_path, monkeypatch
):
  """The small design, smaller still, on a few invented images."""
  for name, entry in list(datasets.DATASETS.items()):
    shape = datasets.outline(name).image_shape
    small = dataclasses.replace(entry, load=lambda s=shape: few(s))
    monkeypatch.setitem(datasets.DATASETS, name, small)
  config = config_of(path, argument)
  config.scale = 'small'
  smaller = {
    'train_examples': 16,
    'width': 8 if 'vgg' in str(config.targets) else 2,
    'replicates': 2,
    'levels': 2,
    'compare_levels': (2,),
    'prune_fraction': 0.3,
    'recipe.epochs': 1,
    'recipe.batch_size': 8,
    'recipe.drop_epochs': (),
    'recipe.rewind_epochs': 0,
    'sparse.interval': 1,
    'sparse.dpf_interval': 1,
  }
  if config.source_width:  # one is twice the other
    del smaller['width']
  for name in config.recipe_on:
    smaller[f'recipe_on.{name}.rewind_epochs'] = 0
  succeeded = session.run(config, tmp_path, given=smaller)
  page = (tmp_path / 'report.html').read_text()
  assert succeeded or 'diverged' in page
  assert config.paper.title in page and '<svg' in page
  if config.paper.claims:
    assert 'What the paper claims' in page
  assert reproduction.main([str(tmp_path), f'--into={tmp_path / "docs"}']) == 0
  text = (tmp_path / 'docs' / 'reproduction.md').read_text()
  for claim in config.paper.claims:
    assert f'`{claim}`' in text


def test_finished_studies_may_be_judged_by_todays_claims(tmp_path):
  kept = ROOT / 'docs/results/oneticket-figure-a1-digits'
  old = shutil.copytree(kept, tmp_path / 'old')
  config = json.loads((old / 'config.json').read_text())
  first, *others = config['paper']['claims']
  config['paper']['claims'] = [*others, 'imp > withdrawn']
  (old / 'config.json').write_text(json.dumps(config))

  def drawn(*options):
    into = tmp_path / 'docs'
    assert reproduction.main([str(old), f'--into={into}', *options]) == 0
    return (into / 'reproduction.md').read_text(), into / 'results' / kept.name

  text, _ = drawn()
  assert f'`{first}`' not in text
  text, again = drawn('--restate')
  assert f'`{first}`' in text and 'withdrawn' not in text
  config = json.loads((again / 'config.json').read_text())
  assert first in config['paper']['claims']
  assert (again / 'results.csv').read_bytes() == (
    kept / 'results.csv'
  ).read_bytes()


def few(shape):
  images = make_dataset(16, 8, size=shape[0], channels=shape[2])
  return dataclasses.replace(images, name='few', classes=10)
