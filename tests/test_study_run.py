"""Small studies from start to report, in one process."""

import csv
import dataclasses
import gc
import io
import json
import math
import re
import shutil
from urllib.parse import unquote

import jax
import numpy as np
import pytest

from elth_jax import (
  Ticket,
  datasets,
  doctor,
  reproduction,
)
from elth_jax.masks import counts
from elth_jax.methods import METHODS
from elth_jax.process.devices import DeviceError
from elth_jax.process.signals import StudyStopped
from elth_jax.report import evidence, hypothesis, summary
from elth_jax.runner import ending, progress, session
from elth_jax.runner import page as page_lib
from elth_jax.runner import work as work_lib
from elth_jax.runner.study import Study
from elth_jax.study.config import base_config
from elth_jax.study.spec import Paper
from elth_jax.training import loop as loop_lib
from elth_jax.training.recipe import Recipe
from elth_jax.workdir import outputs
from elth_jax.workdir.store import Store, StoreError
from tests.conftest import make_dataset
from tests.crash import content

RECIPE = Recipe(
  batch_size=8,
  epochs=4,
  drop_epochs=(2,),
  rewind_step=2,
  flip=False,
  crop_padding=0,
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
  monkeypatch.setitem(
    datasets.DATASETS, 'tiny', datasets.DatasetEntry(make_dataset)
  )
  monkeypatch.setattr(loop_lib, 'SEGMENT_SECONDS', 0.0)  # many segments


def config(**values):
  return base_config(
    **{
      'recipe': RECIPE,
      'dataset': 'tiny',
      'sources': ('mlp2',),
      'targets': ('mlp3',),
      'width': 6,
      'levels': 2,
      'compare_levels': (2,),
      'replicates': 2,
      **values,
    }
  )


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(
      datasets.DATASETS, 'tiny', datasets.DatasetEntry(make_dataset)
    )
    workdir = tmp_path_factory.mktemp('finished')
    assert session.run(config(), workdir)
  return workdir


def rows_of(workdir):
  with (workdir / 'results.csv').open() as file:
    return list(csv.DictReader(file))


def no_training(*arguments, **options):
  raise AssertionError('something was trained')


def test_outputs_are_those_of_the_contract(finished):
  for name in ('config.json', 'results.csv', 'metrics.jsonl', 'report.html'):
    assert (finished / name).stat().st_size > 0
  rows = rows_of(finished)
  methods = {(row['method'], row['target'], row['level']) for row in rows}
  assert ('ett', 'mlp3', '2') in methods and ('dense', 'mlp2', '0') in methods
  assert len(rows) == 2 * (2 + 3 + 4)
  for row in rows:
    assert 0 <= float(row['test_accuracy']) <= 1
    assert row['steps'] == '10'
    assert float(row['train_flops']) > 0
  lines = (finished / 'metrics.jsonl').read_text().splitlines()
  assert all('node' in json.loads(line) for line in lines)
  seconds = Store(finished).metrics.seconds()
  trained = {row['node'] for row in rows}
  assert trained <= set(seconds) and min(seconds.values()) > 0
  assert 'Training time' in (finished / 'report.html').read_text()
  assert not (finished / 'partial').exists() or not any(
    (finished / 'partial').iterdir()
  )


def test_the_page_holds_its_figures_with_unique_ids(finished):
  page = (finished / 'report.html').read_text()
  ids = re.findall(r'\bid="([^"]+)"', page)
  assert len(ids) == len(set(ids))
  used = re.findall(r'(?:href="#|url\(#)([^")]+)', page)
  assert used and set(used) <= set(ids)
  assert 'session.run(json.load(' in page
  for colour in re.findall(r'(?:fill|stroke): #([^;"]+)', page):
    assert re.fullmatch('[0-9a-fA-F]{3}|[0-9a-fA-F]{6}', colour)
  assert not re.findall(r'src=|href="\w+:|@import|url\((?!#)', page)


def test_the_page_draws_one_compared_level_as_rows(finished):
  """Levels that IMP alone went through stand with the other runs."""
  page = (finished / 'report.html').read_text()
  chart = page.partition('Accuracy against sparsity</h2>')[2]
  chart = chart.partition('</section>')[0]
  assert re.findall(r'<h3>', chart) == []
  methods = re.findall(r'<td class="l w">.*?</svg> ?([^<]*)', chart)
  assert methods.count('IMP') == methods.count('ETT from MLP-2 (append)') == 1
  assert 'Other levels of IMP are among the trained networks below.' in chart


def test_the_page_leads_to_all_that_a_run_left(finished):
  page = (finished / 'report.html').read_text()
  links = {unquote(link) for link in re.findall(r'href="([^#"][^"]*)"', page)}
  assert all((finished / link).is_file() for link in links)
  for row in rows_of(finished):
    if (row['target'], row['method']) == ('mlp3', 'ett'):
      name = row['node']
      assert f'runs/{name}/manifest.json' in links
      assert f'runs/{name}/result.json' in links
      assert f'tickets/{name}.safetensors' in links
  figures = {
    f'figures/{path.name}' for path in (finished / 'figures').iterdir()
  }
  assert figures <= links


def test_a_running_study_has_a_page_of_what_is_done(tmp_path, monkeypatch):
  monkeypatch.setattr(page_lib, 'LEAST', -1.0)
  monkeypatch.setattr(page_lib, 'SHARE', 1e9)
  report, seen = tmp_path / 'report.html', []

  def look():
    if report.exists():
      page = report.read_text()
      seen.append((page, (tmp_path / 'figures').exists()))

  assert session.run(config(parallel='1'), tmp_path, look)
  pages = dict(reversed(seen))  # as each was seen first
  shares = [
    int(re.search(r'(\d+) of 18 training runs are done', page)[1])
    for page in reversed(pages)
  ]
  assert len(shares) > 5 and shares == sorted(shares) and shares[0] < 4
  assert not any(pages.values())  # figures are drawn in the end alone
  last = report.read_text()
  assert 'are done' not in last and 'data-reload=' not in last
  assert '9 test images, so one image is worth 11 points' in last
  assert outputs.inspect(tmp_path).closed


def test_sparsities_are_measured_and_matched(finished):
  rows = [row for row in rows_of(finished) if row['target'] == 'mlp3']
  for row in rows:
    level, method = int(row['level']), row['method']
    if method != 'ett':
      expected = 1 - 0.8**level
      assert float(row['sparsity']) == pytest.approx(expected, abs=0.01)
  imp = {
    row['replicate']: row['sparsity']
    for row in rows
    if row['method'] == 'imp' and row['level'] == '2'
  }
  for row in rows:
    if row['method'] in ('reinit', 'random', 'magnitude'):
      assert row['sparsity'] == imp[row['replicate']]
    if row['method'] == 'ett':
      name = f'mlp3-r{row["replicate"]}-ett-append-from-mlp2-level02'
      ticket = Ticket.load(finished / 'tickets' / f'{name}.safetensors')
      assert float(row['sparsity']) == pytest.approx(ticket.sparsity)


def test_tickets_say_where_they_came_from(finished):
  path = (
    finished / 'tickets' / 'mlp3-r0-ett-append-from-mlp2-level02.safetensors'
  )
  ticket = Ticket.load(path)
  source = Ticket.load(finished / 'tickets' / 'mlp2-r0-imp-level02.safetensors')
  said = ticket.provenance
  assert said['plan'] == '0:0;1:1,2'
  assert said['depths'] == {'stage1': 3}
  assert said['parents'] == {'source': source.provenance['node']}
  assert said['versions'].keys() == {'elth_jax', 'jax', 'flax', 'optax'}
  for block, copied in [(0, 0), (1, 1), (2, 1)]:
    np.testing.assert_array_equal(
      ticket.masks['stage1'][f'block{block}']['fc']['kernel'],
      source.masks['stage1'][f'block{copied}']['fc']['kernel'],
    )
  dense = Ticket.load(finished / 'tickets' / 'mlp2-r0-rewind.safetensors')
  assert counts(dense.masks)[0] == counts(dense.masks)[1]


def test_a_finished_study_trains_nothing(finished, monkeypatch, capsys):
  before = (finished / 'results.csv').read_bytes()
  monkeypatch.setattr(work_lib, 'fit', no_training)
  assert session.run(config(), finished)
  assert (finished / 'results.csv').read_bytes() == before
  assert 'ETT from MLP-2' in capsys.readouterr().out


def test_a_study_runs_again_from_its_config_file(finished, monkeypatch):
  monkeypatch.setattr(work_lib, 'fit', no_training)
  asked = json.loads((finished / 'config.json').read_text())
  assert session.run(asked, finished)


def test_more_work_is_added_and_a_change_is_refused(finished, tmp_path):
  workdir = shutil.copytree(finished, tmp_path / 'copy')
  with pytest.raises(StoreError, match=r'recipe.l2 was 0.0001, now 0.01'):
    session.run(config(recipe=dataclasses.replace(RECIPE, l2=0.01)), workdir)
  with pytest.raises(StoreError, match='levels was 2, now 1'):
    session.run(config(levels=1, compare_levels=(1,)), workdir)
  with pytest.raises(StoreError, match='train_examples was 0, now 20'):
    session.run(config(train_examples=20), workdir)
  asked = (workdir / 'config.json').read_bytes()
  assert asked == (finished / 'config.json').read_bytes()
  before = {row['node']: row for row in rows_of(workdir)}
  session.run(config(replicates=3), workdir)
  after = {row['node']: row for row in rows_of(workdir)}
  assert before.items() <= after.items()
  assert len(after) == 3 * len(before) / 2


@pytest.mark.parametrize('patience', [0, 1, 3, 30, 55])
def test_a_stopped_study_continues_to_the_same_bytes(
  finished, tmp_path, patience
):
  looks = []

  def asked_to_stop():
    looks.append(0)
    return len(looks) > patience

  with pytest.raises(StudyStopped):
    session.run(config(), tmp_path, asked_to_stop)
  assert session.run(config(), tmp_path)
  for name in [
    'results.csv',
    *(f'tickets/{p.name}' for p in (finished / 'tickets').iterdir()),
  ]:
    assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_a_stopped_study_whose_results_cannot_be_written_is_stopped(
  tmp_path, monkeypatch, capsys
):
  def full(*arguments):
    raise OSError('no space left')

  monkeypatch.setattr(ending, 'write_results', full)
  with pytest.raises(StudyStopped):
    session.run(config(), tmp_path, lambda: True)
  looks = iter([False] * 30)
  with pytest.raises(StudyStopped):
    session.run(config(), tmp_path, lambda: next(looks, True))
  assert 'results.csv was not written: no space left' in capsys.readouterr().err


def test_results_do_not_depend_on_how_many_run_at_once(finished, tmp_path):
  session.run(config(parallel='1'), tmp_path)
  one, two = rows_of(tmp_path), rows_of(finished)
  for a, b in zip(one, two, strict=True):
    assert a['node'] == b['node']
    assert float(a['test_loss']) == pytest.approx(float(b['test_loss']), 1e-4)


def test_the_page_of_what_was_reproduced(finished, tmp_path, capsys):
  paper = Paper(
    title='Somebody, figure 1',
    question='Does it work?',
    claims=('ett > random at highest', 'imp > snip'),
    published=('mlp3 imp at 2: 97.5', 'mlp3 dense: 98'),
  )
  workdir = shutil.copytree(finished, tmp_path / 'copy')
  assert session.run(config(paper=paper), workdir)  # it only adds words
  page = (workdir / 'report.html').read_text()
  assert 'What the paper claims' in page and '97.50' in page
  assert 'not tested' in page
  into = tmp_path / 'docs'
  assert reproduction.main([str(workdir), f'--into={into}']) == 0
  text = (into / 'reproduction.md').read_text()
  assert '## Somebody, figure 1, scale: paper' in text
  assert re.search(r'\| `ett > random at highest` \| 1 \| [+-]\d', text)
  untested = (
    '1 claim not tested:\n\n- 1: methods that are not trained at this scale\n'
  )
  assert untested in text and '`imp > snip`' not in text
  (row,) = [r for r in text.splitlines() if r.startswith('| MLP-3, imp')]
  imp = [c for c in text.splitlines() if c.startswith('| IMP |')]
  cell, time = imp[-2:]
  assert time.count('second') == 3
  assert row.split('|')[4].strip() in cell  # ours beside the published one
  for name in re.findall(r'\]\((.+?\.png)\)', text):
    assert (into / name).stat().st_size > 0
  assert 'claims in 2 lines, 1 of them on networks' in text
  assert 'tested 1 time, once at each scale: 0 decided' in text
  # all of it can be written again from what is kept, and twice is once
  kept = into / 'results/somebody-figure-1-paper'
  assert (kept / 'results.csv').read_bytes() == (
    workdir / 'results.csv'
  ).read_bytes()
  files = {p: p.read_bytes() for p in into.rglob('*') if p.is_file()}
  assert reproduction.main([str(kept), str(kept), f'--into={into}']) == 0
  assert files == {p: p.read_bytes() for p in into.rglob('*') if p.is_file()}
  # of two studies of one name, none takes the other's place
  other = shutil.copytree(kept, tmp_path / 'other')
  asked = json.loads((other / 'config.json').read_bytes())
  (other / 'config.json').write_text(
    json.dumps({**asked, 'seed': 0, 'levels': 3})
  )
  capsys.readouterr()
  assert reproduction.main([str(kept), str(other), f'--into={into}']) == 1
  assert 'two studies of one title, scale and seed' in capsys.readouterr().err
  assert files == {p: p.read_bytes() for p in into.rglob('*') if p.is_file()}
  before = text
  for wrong, message in (
    (tmp_path / 'none', 'is no workdir'),
    (finished, 'names no paper'),
    (workdir, 'start the study again'),
  ):
    if wrong == workdir:  # as an earlier version wrote it
      rows = (workdir / 'results.csv').read_text()
      (workdir / 'results.csv').write_text(rows.replace('optimizer', 'o', 2))

    assert reproduction.main([str(wrong), f'--into={into}']) == 1
    assert message in capsys.readouterr().err
  assert (into / 'reproduction.md').read_text() == before
  assert session.run(config(paper=paper), workdir)
  assert outputs.inspect(workdir).closed
  assert reproduction.main([str(workdir), f'--into={into}']) == 0


def test_memory_does_not_grow_with_the_number_of_nodes(tmp_path):
  def peak(levels):
    sizes = []

    def look():
      gc.collect()  # arrays of cycles would be freed at any time
      sizes.append(sum(array.nbytes for array in jax.live_arrays()))

    gc.collect()
    gc.freeze()  # what other tests left is not looked through again
    try:
      session.run(
        config(
          levels=levels,
          compare_levels=(levels,),
          methods=('imp',),
          replicates=1,
        ),
        tmp_path / str(levels),
        look,
      )
    finally:
      gc.unfreeze()
    return max(sizes) - min(sizes)

  assert peak(3) == peak(1) > 0


def test_a_diverged_run_fails_alone(tmp_path, capsys):
  recipe = dataclasses.replace(RECIPE, learning_rate=1e30, rewind_step=0)
  asked = {'recipe': recipe, 'methods': ('imp',), 'paper': Paper('A figure')}
  hot = config(replicates=1, **asked)
  for _ in range(2):  # and it is not forgotten
    assert not session.run(hot, tmp_path)
    out = capsys.readouterr().out
    assert out.count('FAILED') == 1
    assert re.search(
      r'FAILED mlp3-r0-dense: diverged at step 1; \d+ nodes need it\n', out
    )
    doctor.main([str(tmp_path)])
    out = capsys.readouterr().out
    assert re.search(r'would not do \d+ nodes: a run that diverged', out)
    assert 'training run' not in out
    assert outputs.inspect(tmp_path).closed
  assert 'diverged' in (tmp_path / 'report.html').read_text()
  (dense,) = Study.open(tmp_path).results
  assert dense['node'] == 'mlp3-r0-dense' and dense['diverged_at'] == 1
  assert math.isnan(dense['test_accuracy'])
  assert '1 of 1 failed' in Study.open(tmp_path)._repr_html_()
  saved = tmp_path / outputs.CONFIG
  with pytest.raises(StudyStopped):  # nor if the study is cut short
    session.run(
      config(replicates=2, **asked),
      tmp_path,
      asked_to_stop=lambda: '"replicates": 2' in saved.read_text(),
    )
  assert Study.open(tmp_path).failed['mlp3-r0-dense'] == 'diverged at step 1'
  lost = {row['node'] for row in evidence.read(tmp_path).diverged}
  assert {'mlp3-r0-dense', 'mlp3-r0-imp-level01'} <= lost


def test_diverged_runs_stand_among_the_others(tmp_path, monkeypatch):
  method = METHODS['random']

  def broken(tickets, setting):
    """Of the first replicate, weights that are no numbers."""
    ticket = method.make(tickets, setting)
    if setting.seed:
      return ticket
    params = jax.tree.map(
      lambda leaf: np.where(leaf == 0, leaf, np.float32(np.nan)), ticket.params
    )
    return dataclasses.replace(ticket, params=params)

  replaced = dataclasses.replace(method, make=broken)
  monkeypatch.setitem(METHODS, 'random', replaced)
  paper = Paper('A figure', claims=('imp > random',))
  study = session.run(
    config(methods=('imp', 'random'), paper=paper), tmp_path / 'study'
  )
  rows = {row['node']: row for row in study.results}
  assert len(rows) == len(study.results) > 4
  lost = rows.pop('mlp3-r0-random-level02')
  assert lost['diverged_at'] == 2 and math.isnan(lost['test_accuracy'])
  assert {row['diverged_at'] for row in rows.values()} == {None}
  assert '1 of 2 failed' in study._repr_html_()
  into = tmp_path / 'docs'
  assert reproduction.main([str(study.root), f'--into={into}']) == 0
  page = (into / 'reproduction.md').read_text('utf-8')
  found = 100 * rows['mlp3-r1-random-level02']['test_accuracy']
  assert f'| Random |  | {found:.2f}, 1 of 2 failed (' in page


def test_an_unwritable_workdir_is_refused(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(StoreError, match='cannot be written to'):
    Store(tmp_path / 'file' / 'workdir')


def test_a_dry_run_writes_nothing(tmp_path, capsys):
  assert session.run(config(dry_run=True), tmp_path / 'none')
  assert not (tmp_path / 'none').exists()
  assert 'training runs' in capsys.readouterr().out


def test_a_ticket_of_one_data_set_is_trained_on_another(tmp_path, monkeypatch):
  def other():
    elsewhere = make_dataset(train=30, size=8, channels=3)
    return dataclasses.replace(elsewhere, name='other')

  monkeypatch.setitem(datasets.DATASETS, 'other', datasets.DatasetEntry(other))
  cross = config(
    sources=('mlp2', 'mlp3'),
    source_datasets=('other', 'tiny'),
    image_size=4,
    methods=('imp', 'ett', 'random'),
  )
  assert session.run(cross, tmp_path)
  rows = rows_of(tmp_path)
  assert {row['dataset'] for row in rows} == {'tiny', 'other'}
  moved = [row for row in rows if row['method'] == 'ett']
  assert {(r['source'], r['source_dataset'], r['order']) for r in moved} == {
    ('mlp2', 'other', 'append'),
    ('mlp3', 'other', 'squeeze'),
    ('mlp2', '', 'append'),
  }
  assert all(row['dataset'] == 'tiny' for row in moved)
  name = 'mlp3-r0-ett-squeeze-from-mlp3-on-other-level02'
  ticket = Ticket.load(tmp_path / 'tickets' / f'{name}.safetensors')
  source = Ticket.load(
    tmp_path / 'tickets' / 'mlp3-on-other-r0-imp-level02.safetensors'
  )
  np.testing.assert_array_equal(
    ticket.masks['head']['kernel'], source.masks['head']['kernel']
  )
  assert source.provenance['dataset'] == 'other'
  page = (tmp_path / 'report.html').read_text()
  assert 'ETT from MLP-3 on other' in page
  figures = {path.stem for path in (tmp_path / 'figures').glob('layer*.svg')}
  assert figures == {
    f'layer_sparsity_{name}'
    for name in ('mlp2', 'mlp2_on-other', 'mlp3_on-other')
  }
  found = summary.cells(evidence.read_rows(tmp_path / 'results.csv'))
  pairs = hypothesis.tested([hypothesis.Findings('it', found, None)])
  assert {one.pair.better.dataset for one in pairs} == {'', 'other'}


def test_a_head_for_other_classes_is_fresh_and_outside_the_ticket(
  tmp_path, monkeypatch
):
  def other():
    return dataclasses.replace(make_dataset(), name='other', classes=5)

  monkeypatch.setitem(datasets.DATASETS, 'other', datasets.DatasetEntry(other))
  cross = config(
    source_datasets=('other',),
    methods=('ett', 'ett_reinit', 'random'),
    replicates=1,
  )
  assert session.run(cross, tmp_path)
  tickets = tmp_path / 'tickets'
  name = 'mlp3-r0-ett-append-from-mlp2-on-other-level02'
  moved = Ticket.load(tickets / f'{name}.safetensors')
  source = Ticket.load(tickets / 'mlp2-on-other-r0-imp-level02.safetensors')
  assert source.masks['head']['kernel'].shape[-1] == 5
  assert moved.masks['head']['kernel'] is None
  assert moved.params['head']['kernel'].shape[-1] == 3
  assert moved.params['head']['kernel'].any()
  assert moved.provenance['head'] == 'fresh'
  np.testing.assert_array_equal(
    moved.masks['stage1']['block2']['fc']['kernel'],
    source.masks['stage1']['block1']['fc']['kernel'],
  )
  methods = {row['method'] for row in rows_of(tmp_path)}
  assert {'ett', 'ett_reinit', 'random'} <= methods


def test_a_ticket_found_by_one_optimizer_is_trained_by_another(tmp_path):
  cross = config(
    sources=('mlp3',),
    source_optimizer='adam',
    methods=('imp', 'ett'),
    replicates=1,
  )
  assert session.run(cross, tmp_path)
  rows = rows_of(tmp_path)
  found = {(r['method'], r['optimizer']) for r in rows if r['level'] == '2'}
  assert found == {('imp', 'sgd'), ('ett', 'sgd')}
  assert {r['optimizer'] for r in rows} == {'sgd', 'adam'}
  page = (tmp_path / 'report.html').read_text()
  assert 'ETT from MLP-3 by adam' in page
  name = 'mlp3-by-adam-r0-imp-level02.safetensors'
  source = Ticket.load(tmp_path / 'tickets' / name)
  assert source.provenance['recipe']['optimizer'] == 'adam'
  assert source.provenance['recipe']['learning_rate'] == 3e-4
  assert source.provenance['recipe']['precision'] == 'highest'


def test_a_study_with_only_runs_of_no_steps_left_ends(tmp_path, monkeypatch):
  monkeypatch.setattr(progress, 'QUIET_SECONDS', -1.0)  # a line each time
  at_once = config(recipe=dataclasses.replace(RECIPE, rewind_step=0))
  assert session.run(at_once, tmp_path)
  before = content(tmp_path)
  lost = list((tmp_path / 'tickets').glob('*-rewind.safetensors'))
  assert lost
  for path in lost:  # nothing else is left to do
    path.unlink()
  assert session.run(at_once, tmp_path)
  after = content(tmp_path)
  for name in [path.relative_to(tmp_path).as_posix() for path in lost]:
    assert after[name] == before[name]


def test_one_replicate_and_no_plural(tmp_path, capsys):
  paper = Paper(title='One', claims=('ett > random',))
  one = config(replicates=1, paper=paper)
  assert session.run(one, tmp_path)
  assert session.run(config(replicates=1, dry_run=True), tmp_path)
  (tmp_path / 'tickets' / 'mlp3-r0-rewind.safetensors').unlink()
  doctor.main([str(tmp_path)])
  into = tmp_path / 'docs'
  assert reproduction.main([str(tmp_path), f'--into={into}']) == 0
  out = capsys.readouterr().out
  assert (
    'test accuracy, % (sparsity that it has)\n' in out
    and '1 file is damaged' in out
  )
  page = (tmp_path / 'report.html').read_text(encoding='utf-8')
  words = re.sub(r'<(svg|style)\b.*?</\1>', '', page, flags=re.S)
  words = words.partition('All settings, as in config.json')[0]
  assert '1 replicate;' in words and 'one replicate' in words
  assert 'undecided' in words and 'One replicate.' in words
  text = (into / 'reproduction.md').read_text(encoding='utf-8')
  assert ', 1 replicate, ' in text and ', 1 start.' in text
  for said in (out, words, text.partition('## One')[2]):
    assert not re.search(r'±|\binf\b|\bnan\b|\(s\)|\b1 \w+s\b', said)
    assert 'deviation' not in said and 'interval' not in said


def test_a_summary_on_an_ascii_terminal(finished, monkeypatch):
  screen = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
  monkeypatch.setattr('sys.stdout', screen)
  assert session.run(config(), finished)
  assert session.run(config(dry_run=True), finished)
  screen.flush()
  text = screen.buffer.getvalue().decode('ascii')
  assert ' +- ' in text and 'training runs' in text


def test_what_cannot_run_is_refused_before_data_is_loaded(
  tmp_path, monkeypatch
):
  def load():
    raise AssertionError('data was loaded')

  monkeypatch.setitem(datasets.DATASETS, 'tiny', datasets.DatasetEntry(load))
  monkeypatch.chdir(tmp_path)
  with pytest.raises(StoreError, match="workdir is 'gs://bucket'"):
    session.run(config(), 'gs://bucket')
  with monkeypatch.context() as patch:

    def no_backend():
      raise RuntimeError("Unable to initialize backend 'cuda'")

    patch.setattr(jax, 'devices', no_backend)
    with pytest.raises(DeviceError, match='set JAX_PLATFORMS=cpu'):
      session.run(config(), tmp_path / 'w')
  assert not list(tmp_path.iterdir())


def test_asked_to_stop_before_there_is_a_workdir(tmp_path):
  for dry_run in (False, True):
    with pytest.raises(StudyStopped):
      session.run(config(dry_run=dry_run), tmp_path / 'w', lambda: True)
  assert not (tmp_path / 'w').exists()


def test_a_workdir_whose_name_is_no_text(tmp_path):
  workdir = tmp_path / 'caf\udce9'  # as Python reads a byte that is not UTF-8
  try:
    workdir.mkdir()
  except OSError:
    pytest.skip('names are Unicode here')

  def saved():
    return any(workdir.glob('partial/*/step-*'))

  small = config(
    methods=('imp',), replicates=1, profile=True, checkpoint_seconds=1e-9
  )
  with pytest.raises(StudyStopped):
    session.run(small, workdir, saved)
  assert saved()
  assert session.run(small, workdir, command=f'run {workdir}')
  assert list(workdir.glob('profile/**/*.xplane.pb'))
  page = (workdir / 'report.html').read_text(encoding='utf-8')
  assert 'caf\\xe9' in page
  assert doctor.main([str(workdir)]) == 0
