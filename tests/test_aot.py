"""Training compiled by the real compilers of TPU and GPU, without a device.

  pip install --no-deps --target DIR libtpu==... (the extra `aot`)
  PYTHONPATH=DIR JAX_PLATFORMS=cpu pytest tests/test_aot.py     # -m slow: more

Figures are compared where the compilers are those that they were recorded
with; `benchmarks/compiled.py --record` records them anew.
"""

import json
import os
from importlib import metadata
from pathlib import Path

import pytest

from elth_jax import aot
from elth_jax.aot.cases import CIFAR

RECORDED = json.loads(
  (Path(__file__).parent / 'data/compiled.json').read_text('utf-8')
)
TOLERANCE = 0.1


def compiled(case: aot.Case) -> aot.CompiledProgram:
  try:
    aot.described_devices(case.device)
  except aot.MissingCompilerError as error:
    pytest.skip(str(error))
  if os.environ.get('JAX_PLATFORMS') != 'cpu':
    pytest.skip('JAX would look for a device; set JAX_PLATFORMS=cpu')
  return case.compile(('segment',))['segment']


@pytest.mark.parametrize(
  'case',
  [
    *aot.QUICK_CASES,
    *(pytest.param(case, marks=pytest.mark.slow) for case in aot.SLOW_CASES),
  ],
  ids=str,
)
def test_training_compiles_for_a_device(case):
  one = compiled(case)
  program = one.program
  assert one.memory < case.memory
  assert program.donated() == one.state_arrays
  assert not program.host_calls()
  exact = {'highest'} if case.dtype == 'float32' else set()
  assert program.precisions() == exact
  if not case.network.startswith('imagenet_'):  # a stream's are new each time
    assert not program.entry_copies(2**24), 'images are laid out again'
  trips = [loop.trips for loop in program.inner_loops()]
  batch = case.recipe.batch_size
  assert not any(n is not None and n % batch == 0 for n in trips), trips
  together = {'all-reduce'} if case.devices > 1 else set()
  assert set(program.collectives()) == together
  if str(case) not in RECORDED:
    pytest.skip('no figures are recorded')
  expected = dict(RECORDED[str(case)])
  asked = expected.pop('compilers')
  found = {name: metadata.version(name) for name in asked}
  if found != asked:
    pytest.skip(f'figures are those of {asked}, not of {found}')
  assert one.figures() == pytest.approx(expected, rel=TOLERANCE)


def test_tickets_in_turn_cost_a_tpu_core_no_more_than_each_alone():
  one, eight = (
    RECORDED[str(aot.Case('v5e', 'resnet20', count, 'bfloat16'))]
    for count in (1, 8)
  )
  assert eight['cycles'] <= 8.2 * one['cycles']


def test_unknown_devices_and_too_many_of_them_are_refused():
  with pytest.raises(ValueError, match="device 'v9' is unknown; give v5e or"):
    aot.described_devices('v9')
  with pytest.raises(ValueError, match='5 devices v5e: 1 to 4'):
    aot.described_devices('v5e', 5)


def test_a_missing_compiler_says_how_to_get_it(monkeypatch):
  monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
  with pytest.raises(aot.MissingCompilerError, match=r'libtpu.*\[aot\]'):
    aot.described_devices('v5e')


def test_data_without_images_has_the_shapes_of_data_with_them():
  for stream in (False, True):
    data = aot.without_images(CIFAR, tests=7, stream=stream)
    assert data.examples == 50_000
    assert data.image_shape == (32, 32, 3)
