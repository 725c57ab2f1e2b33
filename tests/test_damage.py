"""Whatever is damaged in a workdir is noticed, named, set aside and remade."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from elth_jax import datasets, doctor, reproduction
from elth_jax.methods import METHODS
from elth_jax.runner import session
from elth_jax.storage import manifest
from elth_jax.workdir import history, inspection
from elth_jax.workdir.inspection import inspect
from elth_jax.workdir.lock import BusyError, is_busy, owned
from elth_jax.workdir.store import StoreError
from tests import crash
from tests.conftest import make_dataset
from tests.test_crash import finished, study, tiny  # noqa: F401

LOCK = '.lock'  # an empty file


def flip(path, at=None):
  content = bytearray(path.read_bytes())
  content[len(content) // 2 if at is None else at] ^= 1 if at is None else 128
  path.write_bytes(content)


def truncate(path):
  path.write_bytes(path.read_bytes()[:-1])


def empty(path):
  path.write_bytes(b'')


@pytest.fixture
def workdir(whole, tmp_path):
  return crash.restore(whole, tmp_path / 'workdir')


@pytest.fixture(scope='module')
def whole(finished, tmp_path_factory):  # noqa: F811
  """The content of a finished study."""
  workdir = tmp_path_factory.mktemp('whole')
  assert session.run(study(), workdir)
  return crash.content(workdir)


def test_every_flipped_byte_is_found(workdir):
  files = [path for path in workdir.rglob('*') if path.is_file()]
  assert len(files) > 20
  generator = np.random.default_rng(0)
  for path in files:
    content = path.read_bytes()
    if path.name == LOCK:
      assert not content
      continue
    inner = generator.integers(0, len(content), 2)
    for at in (0, len(content) - 1, *map(int, inner)):
      flip(path, at)
      damaged = inspect(workdir).damaged
      assert any(str(path) in text for text in damaged), (path, at)
      path.write_bytes(content)
  assert not inspect(workdir).damaged


@pytest.mark.parametrize(
  'name',
  [
    'config.json',
    'manifest.json',
    'metrics.jsonl',
    'report.html',
    'results.csv',
    'figures/accuracy_mlp2.png',
    'runs/mlp2-r0-dense/manifest.json',
    'runs/mlp2-r1-dense/result.json',
    'runs/mlp2-r0-dense/trained.safetensors',
    'runs/mlp2-r1-imp-level01/trained.safetensors',
    'tickets/mlp2-r0-rewind.safetensors',
    'tickets/mlp2-r1-imp-level01.safetensors',
  ],
)
@pytest.mark.parametrize('damage', [flip, truncate, empty, os.remove])
def test_the_next_start_mends_it(
  finished,  # noqa: F811
  workdir,
  capsys,
  name,
  damage,
):
  expected, _ = finished
  damage(workdir / name)
  left = (workdir / name).read_bytes() if (workdir / name).exists() else None
  assert session.run(study(), workdir)
  said = capsys.readouterr().out
  assert f'NOTE {workdir / name}' in said
  assert crash.results(workdir) == expected
  assert not inspect(workdir).damaged
  if left is not None:
    path = f'runs/{name.split("/")[1]}' if name.startswith('runs') else name
    aside = workdir / 'damaged' / path
    assert str(aside) in said
    assert (aside / name[len(path) + 1 :]).read_bytes() == left
  assert name in (workdir / 'report.html').read_text()


def test_the_checkpoint_before_a_damaged_one_is_used(
  finished,  # noqa: F811
  tmp_path,
  capsys,
):
  expected, snapshots = finished
  two = next(
    found
    for found in snapshots
    if {
      f'partial/mlp2-r0-dense/step-{step}/manifest.json' in found
      for step in (3, 4)
    }
    == {True}
  )
  workdir = crash.restore(two, tmp_path / 'workdir')
  folder = workdir / 'partial' / 'mlp2-r0-dense'
  largest = max(
    (path for path in (folder / 'step-4').rglob('*') if path.is_file()),
    key=lambda path: path.stat().st_size,
  )
  flip(largest)
  assert session.run(study(), workdir)
  said = capsys.readouterr().out
  assert f'NOTE {largest} does not match its SHA-256' in said
  assert 'mlp2-r0-dense goes on from step 3' in said
  assert crash.results(workdir) == expected
  aside = workdir / 'damaged' / 'partial' / 'mlp2-r0-dense' / 'step-4'
  assert aside.is_dir()

  workdir = crash.restore(two, tmp_path / 'unreadable')
  step = workdir / 'partial' / 'mlp2-r0-dense' / 'step-4'
  about = manifest.read(step)['about']
  shutil.rmtree(step / 'arrays')  # whole by its manifest, and yet of no use
  manifest.seal(step, about, [])
  assert session.run(study(), workdir)
  assert f'NOTE {step} cannot be restored' in capsys.readouterr().out
  assert crash.results(workdir) == expected

  workdir = crash.restore(two, tmp_path / 'none')
  for step in (3, 4):
    empty(workdir / f'partial/mlp2-r0-dense/step-{step}/manifest.json')
  assert session.run(study(), workdir)
  said = capsys.readouterr().out
  assert 'starts again, since no good checkpoint is left' in said


def test_damage_found_in_use_is_mended_too(
  finished,  # noqa: F811
  tmp_path,
  capsys,
):
  expected, _ = finished
  trained = tmp_path / 'runs' / 'mlp2-r1-dense' / 'trained.safetensors'

  assert session.run(study(), tmp_path, damaging(trained, times=1))
  said = capsys.readouterr().out
  assert f'NOTE {trained} does not match' in said
  assert crash.results(tmp_path) == expected

  again = tmp_path / 'again'
  trained = again / trained.relative_to(tmp_path)
  with pytest.raises(StoreError, match='is the disk sound'):
    session.run(study(), again, damaging(trained, times=99))


def damaging(path, times):
  """A look between dispatches that changes a file where it is there."""

  def look():
    nonlocal times
    if path.is_file() and times:
      times -= 1
      content = bytearray(path.read_bytes())
      content[-1] = (content[-1] + 1) % 256
      path.write_bytes(content)
    return False

  return look


@pytest.mark.parametrize('damage', [flip, truncate])
def test_a_damaged_history_keeps_its_good_lines(workdir, capsys, damage):
  session.run(study(), workdir)
  path = workdir / 'sessions.jsonl'
  first, second = path.read_bytes().splitlines(keepends=True)
  damage(path)
  assert any(str(path) in text for text in inspect(workdir).damaged)
  session.run(study(), workdir)
  assert f'NOTE {path} had damaged lines' in capsys.readouterr().out
  now = path.read_bytes().splitlines(keepends=True)
  assert len(now) == 2 and (now[0] in (first, second))
  assert not inspect(workdir).damaged


def test_a_damaged_log_of_an_open_study_loses_its_lines_only(
  finished,  # noqa: F811
  tmp_path,
):
  expected, snapshots = finished
  open_study = snapshots[len(snapshots) // 2]
  workdir = crash.restore(open_study, tmp_path / 'workdir')
  for name in ('metrics.jsonl', 'sessions.jsonl'):
    flip(workdir / name, at=0)  # no longer UTF-8
  assert session.run(study(), workdir)
  assert crash.results(workdir) == expected
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  assert all(json.loads(line) for line in lines)


def test_one_process_at_a_time(tmp_path):
  code = (
    'import sys, time\nfrom pathlib import Path\n'
    'from elth_jax.workdir.lock import owned\n'
    'with owned(Path(sys.argv[1])):\n  print("mine", flush=True)\n'
    '  time.sleep(60)\n'
  )
  process = subprocess.Popen(
    [sys.executable, '-c', code, str(tmp_path)], stdout=subprocess.PIPE
  )
  assert process.stdout and process.stdout.readline() == b'mine\n'
  assert is_busy(tmp_path)
  with pytest.raises(BusyError, match=f'in use by process {process.pid} on'):
    session.run(study(), tmp_path)
  process.send_signal(signal.SIGKILL)
  process.communicate()
  with owned(tmp_path):  # a crash releases it
    assert is_busy(tmp_path)
  assert not is_busy(tmp_path)
  assert {path.name for path in tmp_path.iterdir()} <= {LOCK}


def test_other_versions_are_noticed(workdir, monkeypatch, capsys):
  session.run(study(), workdir)
  assert 'NOTE' not in capsys.readouterr().out
  monkeypatch.setattr(history, 'versions', lambda: {'jax': '0.0.1'})
  session.run(study(), workdir)
  assert 'now 0.0.1, since the last start' in capsys.readouterr().out
  assert not inspect(workdir).damaged


def test_every_row_can_be_traced(workdir):
  rows = (workdir / 'results.csv').read_text().splitlines()
  names = rows[0].split(',')
  for row in rows[1:]:
    said = dict(zip(names, row.split(','), strict=True))
    path = workdir / 'runs' / said['node'] / 'manifest.json'
    about = json.loads(path.read_text())['about']
    assert about['node'].startswith(said['key'])
    assert {'recipe', 'seed', 'dataset'} <= about['spec'].keys()
    assert about['hashes'].keys() == about['parents'].keys() == {'ticket'}
    assert 'jax' in about['versions']


def test_the_doctor(workdir, capsys, tmp_path):
  assert doctor.main([str(workdir)]) == 0
  said = capsys.readouterr().out
  assert 'no damage' in said and 'everything is done' in said
  before = crash.content(workdir)
  flip(workdir / 'tickets' / 'mlp2-r0-rewind.safetensors')
  (workdir / 'results.csv').unlink()
  assert doctor.main([str(workdir)]) == 1
  said = capsys.readouterr().out
  assert 'DAMAGED' in said and 'results.csv is missing' in said
  assert 'set aside' in said and 'do 1 of 8 nodes' in said
  assert crash.content(workdir).keys() == before.keys() - {'results.csv'}
  assert doctor.main([str(tmp_path / 'none')]) == 1
  assert 'is no workdir' in capsys.readouterr().err


def test_the_doctor_reads_what_is_of_somebody_else(
  workdir, capsys, monkeypatch
):
  def is_busy(root):
    raise PermissionError(13, 'Permission denied', str(root / '.lock'))

  monkeypatch.setattr(inspection, 'is_busy', is_busy)
  assert doctor.main([str(workdir)]) == 0
  said = capsys.readouterr().out
  assert 'a process works here is unknown' in said and 'no damage' in said


def test_names_registered_elsewhere_are_no_damage(workdir, capsys, monkeypatch):
  monkeypatch.delitem(datasets.DATASETS, 'tiny')
  monkeypatch.delitem(METHODS, 'imp')
  assert doctor.main([str(workdir)]) == 0
  out = capsys.readouterr().out
  assert "is unknown here: unknown method 'imp'" in out and 'no damage' in out


def test_a_workdir_is_verified_without_its_accelerator(
  workdir, capsys, monkeypatch
):
  def none():
    raise RuntimeError("Unable to initialize backend 'cuda'")

  monkeypatch.setattr('jax.devices', none)
  assert doctor.main([str(workdir)]) == 0
  out = capsys.readouterr().out
  assert 'unknown here: JAX finds no device' in out and 'no damage' in out
  assert reproduction.main([str(workdir)]) == 1
  assert 'JAX finds no device' in capsys.readouterr().err


def test_the_doctor_says_how_many_files(workdir, capsys):
  for name, said in (
    ('mlp2-r0-rewind', '1 file is damaged'),
    ('mlp2-r1-rewind', '2 files are damaged'),
  ):
    flip(workdir / 'tickets' / f'{name}.safetensors')
    assert doctor.main([str(workdir)]) == 1
    assert said in capsys.readouterr().out


def test_the_doctor_refuses_what_is_no_folder_here(capsys, tmp_path):
  for wrong in ('gs://bucket/runs', ''):
    assert doctor.main([wrong]) == 1
    assert 'elth_jax: workdir is' in capsys.readouterr().err
    into = f'--into={wrong}'
    assert reproduction.main([str(tmp_path), into]) == 1
    assert 'elth_jax: --into is' in capsys.readouterr().err


def test_a_foreign_parent_is_a_contradiction(workdir, whole):
  # a whole ticket of another replicate, under this one's name
  tickets = workdir / 'tickets'
  (tickets / 'mlp2-r0-imp-level01.safetensors').write_bytes(
    whole['tickets/mlp2-r1-imp-level01.safetensors']
  )
  damaged = '\n'.join(inspect(workdir).damaged)
  assert 'was made from other settings' in damaged
  assert 'was made from another mlp2-r0-imp-level01-ticket' in damaged
  with pytest.raises(StoreError, match='holds another mlp2-r0-imp-level01'):
    session.run(study(), workdir)


def test_data_that_has_changed_is_named(workdir, monkeypatch):
  changed = make_dataset()
  changed.train_images[0] ^= 1
  for data, why in (
    (changed, 'other images or labels'),
    (make_dataset(train=21), 'examples was 22, now 21, other images'),
    (
      dataclasses.replace(make_dataset(), mean=(0.5,)),
      r'normalization was \[\[0.4\], \[0.25\]\], now \[\[0.5\], \[0.25\]\]',
    ),
  ):
    entry = datasets.DatasetEntry(lambda data=data: data)
    monkeypatch.setitem(datasets.DATASETS, 'tiny', entry)
    said = f"the data set 'tiny' has changed: {why}"
    assert re.search(said, '\n'.join(inspect(workdir).damaged))
    with pytest.raises(StoreError, match=f'{said}.*; restore the data, or'):
      session.run(study(), workdir)
  monkeypatch.undo()
  assert not inspect(workdir).damaged


def test_leftovers_are_removed_only_by_the_owner(workdir):
  leftover = workdir / 'runs' / '.mlp2-r0-dense.aside'
  leftover.mkdir()
  assert 'was not finished' in inspect(workdir).remarks[0]
  assert leftover.exists()
  session.run(study(), workdir)
  assert not leftover.exists()
