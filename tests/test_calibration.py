"""The time that a dry run tells is measured, on the study's own networks."""

import dataclasses
import re

import pytest

from elth_jax.datasets import outline
from elth_jax.runner import calibration, session
from elth_jax.study.config import base_config
from elth_jax.study.graph import build
from elth_jax.study.spec import read_config
from elth_jax.training.recipe import Recipe
from elth_jax.workdir.store import StoreError


def config(**values):
  return base_config(
    dataset='cifar10',
    sources=('mlp3',),
    targets=('mlp3',),
    width=4,
    levels=1,
    compare_levels=(1,),
    methods=('imp',),
    replicates=1,
    recipe=Recipe(batch_size=64, epochs=2, drop_epochs=(), rewind_step=1),
    **values,
  )


@pytest.fixture(scope='module')
def planned():
  spec, options = read_config(config())
  data = {'cifar10': outline('cifar10')}
  return build(spec, data), data, options


@pytest.fixture
def trials(monkeypatch):
  """(image shape, batch size, stop) of each fit, a segment half a second."""
  seen = []
  fit = calibration.fit

  def timed(trainer, states, seeds, stop, after_segment=None, share=0):
    def tell(segment):
      if after_segment:
        after_segment(dataclasses.replace(segment, seconds=0.5))

    seen.append((trainer.dataset.image_shape, trainer.recipe.batch_size, stop))
    return fit(trainer, states, seeds, stop, tell, share)

  monkeypatch.setattr(calibration, 'fit', timed)
  return seen


def test_the_time_is_that_of_the_studys_own_steps(planned, trials, monkeypatch):
  nodes, data, options = planned
  monkeypatch.setattr(calibration, '_flops_per_second', lambda: 1e12)
  pace = calibration.measure(nodes, data, options)
  assert pace is not None
  assert {stop for _, _, stop in trials} == {1, calibration.STEPS}
  assert {shape for shape, _, _ in trials} == {(32, 32, 3)}
  assert {size for _, size, _ in trials} == {64}
  # 3 segments of half a second for 12 steps, and so for each of the study's
  steps = sum(getattr(node, 'steps', 0) for node in nodes.values())
  assert pace.seconds == pytest.approx(steps / 8, rel=0.2)
  assert pace.how == 'by 12 steps of mlp3, just now'


@pytest.mark.parametrize(('images_a_second', 'size'), [(20, 10), (0, 1)])
def test_a_batch_too_large_to_wait_for_is_cut(
  planned, trials, monkeypatch, images_a_second, size
):
  nodes, data, options = planned
  node = next(node for node in nodes.values() if hasattr(node, 'recipe'))
  one = 6.0 * sum(node.architecture.multiply_adds().values())
  rate = images_a_second * one
  monkeypatch.setattr(calibration, '_flops_per_second', lambda: rate)
  assert calibration.measure(nodes, data, options) is not None
  assert {found for _, found, _ in trials} == {size}


def test_a_study_that_trains_nothing_takes_no_time(planned):
  _, data, options = planned
  assert calibration.measure({}, data, options) is None


@pytest.mark.parametrize('option', ['dry_run', 'dry_run_nodes'])
def test_a_dry_run_needs_no_data_and_tells_the_time(
  option, tmp_path, monkeypatch, capsys
):
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
  assert session.run(config(**{option: True}), tmp_path / 'w')
  out = capsys.readouterr().out
  assert 'on this machine (by 12 steps of mlp3, just now)' in out
  assert ('mlp3-r0-dense' in out) == (option == 'dry_run_nodes')
  assert not (tmp_path / 'w').exists()


def test_a_dry_run_counts_what_is_left(tmp_path, capsys):
  asked = config()
  asked.dataset = 'digits'
  assert session.run(asked, tmp_path)
  before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
  capsys.readouterr()
  asked.dry_run = True
  assert session.run(asked, tmp_path)
  out = capsys.readouterr().out
  total = int(re.match(r'(\d+) of \1 nodes are done in', out)[1])
  assert 'left: 0 nodes, 0 of them training runs, 0.00e+00 FLOPs' in out
  asked.replicates = 2
  assert session.run(asked, tmp_path)
  out = capsys.readouterr().out
  assert f'{total} of {2 * total} nodes are done in' in out
  assert f'left: {total} nodes' in out and 'just now' in out
  asked.width = 9
  with pytest.raises(StoreError, match='width was 4, now 9'):
    session.run(asked, tmp_path)
  assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}
