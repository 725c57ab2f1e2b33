"""A study that is killed, fails or stops anywhere ends in the same bytes."""

import dataclasses
import re

import matplotlib.figure
import pytest

from elth_jax import datasets
from elth_jax.process.signals import StudyStopped
from elth_jax.runner import session
from elth_jax.runner import trainers as trainers_lib
from elth_jax.training import loop as loop_lib
from elth_jax.training import trainer as trainer_lib
from elth_jax.workdir.store import StoreError
from tests import crash
from tests.conftest import make_dataset
from tests.test_study_run import RECIPE, config

TRAINERS = {}
SHARES = 8  # of the snapshots, each in a test of its own


def trainer(architecture, recipe, dataset, **options):
  """One trainer for all runs of a network here, so that it compiles once."""
  key = architecture, recipe
  if key not in TRAINERS:
    TRAINERS[key] = trainer_lib.Trainer(
      architecture, recipe, dataset, **options
    )
  return TRAINERS[key]


def tiny_figure(figure, file, format, **options):
  file.write('<svg></svg>' if format == 'svg' else b'png')


@pytest.fixture(autouse=True, scope='module')
def tiny():
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(
      datasets.DATASETS, 'tiny', datasets.DatasetEntry(make_dataset)
    )
    patch.setattr(trainers_lib, 'Trainer', trainer)
    patch.setattr(matplotlib.figure.Figure, 'savefig', tiny_figure)
    patch.setattr(loop_lib, 'SEGMENT_SECONDS', 0.0)
    patch.setattr(loop_lib, 'SECOND_SEGMENT', 1)
    # two runs take a device each, and one alone is shared by both: a run that
    # is left over must go on as it was begun
    patch.setattr(trainer_lib, 'WORTH_SHARING', 0)
    yield


def study(checkpoint_seconds=1e9, **values):
  return config(
    targets=('mlp2',),
    methods=('imp',),
    levels=1,
    compare_levels=(1,),
    recipe=dataclasses.replace(RECIPE, epochs=2, drop_epochs=(1,)),
    checkpoint_seconds=checkpoint_seconds,
    **values,
  )


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """What an undisturbed study ends in, and its snapshots with checkpoints."""
  workdir = tmp_path_factory.mktemp('workdir')
  assert session.run(study(), workdir)
  watched = tmp_path_factory.mktemp('watched')
  snapshots = crash.Snapshots(watched)
  with crash.before_each_write(watched, snapshots.take):
    assert session.run(study(1e-9), watched)
  expected = crash.results(workdir)
  assert crash.results(watched) == expected
  return expected, snapshots.found


SOME = [  # of all operations; the rest takes three times as long
  pytest.param(share, marks=pytest.mark.slow) if share % 4 else share
  for share in range(SHARES)
]


@pytest.mark.parametrize('share', SOME)
def test_killed_at_any_file_operation(finished, tmp_path, share):
  expected, snapshots = finished
  assert len(snapshots) > 100
  for number in range(share, len(snapshots), SHARES):
    workdir = crash.restore(snapshots[number], tmp_path / str(number))
    assert session.run(study(), workdir)
    assert crash.results(workdir) == expected, number
    assert not list(workdir.rglob('*.aside'))
    assert not (workdir / 'damaged').exists()


@pytest.mark.parametrize('share', SOME)
def test_failed_at_any_file_operation(finished, tmp_path, share):
  expected, _ = finished
  for fails_at in range(share + 1, 10_000, SHARES):
    workdir, operations = tmp_path / str(fails_at), []

    def fail(fails_at=fails_at, operations=operations):
      operations.append(0)
      if len(operations) == fails_at:
        raise OSError(28, 'No space left on device')

    try:
      with crash.before_each_write(workdir, fail):
        assert session.run(study(), workdir)
    except (OSError, StoreError) as error:
      text = str(error)
      assert 'No space left' in text and f'{workdir}' in text
      assert re.search('free some space|is there space|give another', text)
    assert session.run(study(), workdir)
    assert crash.results(workdir) == expected, fails_at
    if len(operations) < fails_at:
      return  # there are no more


def test_stopped_at_every_step(finished, tmp_path):
  recipe = dataclasses.replace(RECIPE, epochs=4)  # 12 steps
  values = {'recipe': recipe, 'replicates': 1}
  whole = tmp_path / 'whole'
  assert session.run({**study(), **values}, whole)
  for patience in range(1, 40):
    workdir, looks = tmp_path / str(patience), []

    def asked(patience=patience, looks=looks):
      looks.append(0)
      return len(looks) >= patience

    try:
      session.run({**study(), **values}, workdir, asked)
    except StudyStopped:
      assert session.run({**study(), **values}, workdir)
      assert crash.results(workdir) == crash.results(whole)
    else:
      break
  assert patience > 24  # two runs of 12 steps, and more
