"""The C++ kernels against float64, and how they are compiled and kept."""

import functools
import json
import logging
import shlex
import shutil
import stat
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elth_jax import Ticket, datasets
from elth_jax.families import architecture
from elth_jax.nn import conv_backends
from elth_jax.nn.default_backend import default_backend, kernels
from elth_jax.nn.native import calls, library
from elth_jax.nn.native.backend import native_backend
from elth_jax.process import processor
from elth_jax.process.older_jax import enable_x64
from elth_jax.process.signals import StudyStopped
from elth_jax.runner import session
from elth_jax.study.config import base_config
from elth_jax.training import loop
from elth_jax.training.recipe import Recipe
from elth_jax.workdir.store import StoreError
from tests.conftest import make_dataset

BEST = library.best_instructions()
OTHERS = [name for name in library.INSTRUCTIONS if name != BEST]
# the largest error, in units of the root mean square of what is right
TOLERANCE = 2e-4  # F(4x4, 3x3) has 1e-5 to 4e-5


@functools.cache
def loaded(instructions=BEST, compiler=''):
  """The kernels, or a test that is skipped and says why."""
  needs = library.INSTRUCTIONS[instructions].needs
  if not processor.features().issuperset(needs):
    pytest.skip(f'this processor has no {instructions}')
  if compiler and not shutil.which(compiler):
    pytest.skip(f'there is no {compiler}')
  try:
    return library.load(instructions, shlex.split(compiler))
  except library.UnavailableError as error:
    if 'no C++ compiler' in str(error):
      pytest.skip(str(error))
    raise


def windows(x, size, stride):
  """(groups, channels, rows, columns, examples, size, size) of zero margins."""
  pad = (size - 1) // 2
  x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad), (0, 0)))
  found = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
  return found[:, :, ::stride, ::stride]


def oracle(x, kernel, dy, stride):
  """The convolution and both gradients, in float64."""
  size, (height, width) = kernel.shape[0], x.shape[2:4]
  seen = windows(x, size, stride)
  y = np.einsum('gchwnij,ijcf->gfhwn', seen, kernel)
  kernel_gradient = np.einsum('gchwnij,gfhwn->ijcf', seen, dy)
  pad = (size - 1) // 2
  wide = np.zeros((*x.shape[:2], height + 2 * pad, width + 2 * pad, x.shape[4]))
  for i in range(size):
    for j in range(size):
      part = np.einsum('gfhwn,cf->gchwn', dy, kernel[i, j])
      rows = slice(i, i + stride * (dy.shape[2] - 1) + 1, stride)
      columns = slice(j, j + stride * (dy.shape[3] - 1) + 1, stride)
      wide[:, :, rows, columns] += part
  dx = wide[:, :, pad : pad + height, pad : pad + width]
  return y, dx, kernel_gradient


def random_case(groups, examples, height, width, channels, features, size, s):
  generator = np.random.default_rng(0)
  x = generator.standard_normal((groups, channels, height, width, examples))
  kernel = generator.standard_normal((size, size, channels, features))
  kernel /= np.sqrt(kernel[..., 0].size)
  sides = (height - 1) // s + 1, (width - 1) // s + 1
  dy = generator.standard_normal((groups, features, *sides, examples))
  return x, kernel, dy


def through(kernels_, x, kernel, dy, stride):
  single = [jnp.asarray(a, jnp.float32) for a in (x, kernel, dy)]

  @jax.jit
  def run(x, kernel, dy):
    y, pull = jax.vjp(
      lambda x, k: calls.conv(kernels_, x, k, stride), x, kernel
    )
    return y, *pull(dy)

  return run(*single)


def assert_near(found, expected, tolerance=TOLERANCE):
  scale = np.sqrt(np.mean(np.square(expected))) + 1e-9
  np.testing.assert_allclose(
    np.asarray(found) / scale, expected / scale, rtol=0, atol=tolerance
  )


def check_case(kernels_, *case):
  x, kernel, dy = random_case(*case)
  found = through(kernels_, x, kernel, dy, case[-1])
  for one, other in zip(found, oracle(x, kernel, dy, case[-1]), strict=True):
    assert_near(one, other)


# groups, examples, height, width, channels in and out, size, stride
CASES = [
  (2, 16, 12, 9, 4, 5, 3, 1),  # F(4x4), tiles that stand out
  (1, 21, 6, 6, 17, 18, 3, 1),  # F(2x2), a block of lanes that is part full
  (1, 3, 1, 1, 4, 4, 3, 1),
  (1, 16, 4, 4, 512, 3, 3, 1),
  (2, 17, 4, 4, 130, 97, 3, 1),  # kernels some channels at a time
  (1, 5, 2, 2, 203, 187, 3, 1),  # likewise, F(2x2)
  (2, 17, 9, 8, 3, 5, 3, 1),  # too few channels for Winograd
  (2, 16, 9, 7, 6, 7, 3, 2),
  (1, 5, 6, 5, 3, 9, 1, 2),
  (1, 18, 7, 9, 2, 3, 7, 2),
  (1, 33, 3, 2, 7, 2, 1, 1),
]


@pytest.mark.parametrize('case', CASES, ids=str)
def test_values_and_gradients_equal_float64(case):
  check_case(loaded(), *case)


SHAPES = st.tuples(
  st.integers(1, 3),
  st.integers(1, 40),
  st.integers(1, 10),
  st.integers(1, 10),
  st.integers(1, 20),
  st.integers(1, 20),
  st.sampled_from([1, 3, 5, 7]),
  st.sampled_from([1, 2]),
)


@settings(max_examples=15)
@given(SHAPES)
def test_any_shape(case):
  check_case(loaded(), *case)


@pytest.mark.slow
@pytest.mark.parametrize(
  ('instructions', 'compiler'),
  [(name, 'g++') for name in OTHERS]
  + [(name, 'clang++') for name in library.INSTRUCTIONS],
)
def test_other_instructions_and_compilers(instructions, compiler):
  kernels_ = loaded(instructions, compiler)
  for case in CASES:
    check_case(kernels_, *case)
  check_norm(kernels_, (2, 5, 3, 4, 19), True, True)
  for case in JOINT_CASES[:3]:
    check_joint(kernels_, *case)


def test_gradients_of_gradients_equal_xlas():
  """As GraSP takes them."""
  backend = native_backend(loaded())
  images = np.random.default_rng(0).standard_normal((4, 6, 5, 4))
  kernel = np.random.default_rng(1).standard_normal((3, 3, 4, 5)) / 6

  def product(backend, stride, images, kernel):
    def loss(images, kernel):
      y = backend.conv(backend.enter(images), kernel, stride)
      return (y**3).mean()

    def along(images, kernel):
      first = jax.grad(loss, (0, 1))(images, kernel)
      return sum((g * jnp.cos(g)).sum() for g in first)

    return jax.jit(jax.grad(along, (0, 1)))(
      jnp.asarray(images, jnp.float32), jnp.asarray(kernel, jnp.float32)
    )

  found = product(backend, 1, images, kernel)
  expected = product(conv_backends.NHWC, 1, images, kernel)
  for one, other in zip(found, expected, strict=True):
    assert_near(one, np.asarray(other), 1e-3)


def check_norm(kernels_, shape, relu, with_residual):
  """Against the backend without kernels, in float64."""
  generator = np.random.default_rng(0)
  groups, channels, *_, examples = shape
  x = generator.normal(3, 2, shape)
  scale, bias = generator.random((2, channels))
  weights = np.ones((groups, examples))
  weights[-1, -1] = 0
  residual = generator.standard_normal(shape) if with_residual else None
  dz = generator.standard_normal(shape) * weights[:, None, None, None]

  def run(backend, dtype):
    def norm(x, scale, bias, residual):
      return backend.batch_norm(
        x,
        scale,
        bias,
        jnp.asarray(weights.reshape(-1), dtype),
        residual,
        relu,
        1e-5,
      )[:4]

    given = [
      None if a is None else jnp.asarray(a, dtype)
      for a in (x, scale, bias, residual, dz)
    ]

    @jax.jit
    def both(*given):
      *inputs, dz = given
      (z, *statistics), pull = jax.vjp(norm, *inputs)
      return z, statistics, pull((dz, *map(jnp.zeros_like, statistics)))

    return both(*given)

  with enable_x64():
    expected = run(conv_backends.GCHWN, jnp.float64)
  found = run(native_backend(kernels_), jnp.float32)
  leaves = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
  for one, other in leaves:
    assert_near(one, np.asarray(other), 2e-5)


@pytest.mark.parametrize(
  ('shape', 'relu', 'residual'),
  [
    ((2, 3, 5, 4, 16), True, True),
    ((1, 2, 3, 3, 37), True, True),
    ((2, 3, 5, 4, 16), True, False),
    ((1, 2, 3, 3, 37), False, True),
    ((2, 2, 1, 2, 3), False, False),
  ],
)
def test_batch_norm_equals_float64(shape, relu, residual):
  check_norm(loaded(), shape, relu, residual)


def check_joint(kernels_, case, relu, with_residual):
  """A convolution with its normalisation, against float64 without kernels.

  Its input is shared with another, whose gradient is added.
  """
  x, kernel, dz = random_case(*case)
  generator = np.random.default_rng(1)
  scale, bias = generator.random((2, dz.shape[1]))
  weights = np.ones((x.shape[0], x.shape[-1]))
  weights[-1, -1] = 0
  dz *= weights[:, None, None, None]
  residual = generator.standard_normal(dz.shape) if with_residual else None
  passed = generator.standard_normal(x.shape)

  def run(backend, dtype):
    def norm(x, kernel, scale, bias, residual):
      conv = conv_backends.Convolution(x, kernel, case[-1], None, False)
      z, mean, variance, _, shared = backend.batch_norm(
        backend.defer(conv),
        scale,
        bias,
        jnp.asarray(weights.reshape(-1), dtype),
        residual,
        relu,
        1e-5,
        x,
      )
      return z, shared, mean, variance

    given = [
      None if a is None else jnp.asarray(a, dtype)
      for a in (x, kernel, scale, bias, residual, dz, passed)
    ]

    @jax.jit
    def both(*given):
      *inputs, dz, passed = given
      found, pull = jax.vjp(norm, *inputs)
      zeros = map(jnp.zeros_like, found[2:])
      return found, pull((dz, passed, *zeros))

    return both(*given)

  with enable_x64():
    expected = run(conv_backends.GCHWN, jnp.float64)
  found = run(native_backend(kernels_), jnp.float32)
  leaves = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
  for one, other in leaves:
    one, other = np.asarray(one), np.asarray(other)
    assert one.shape == other.shape
    # a value next to a ReLU's edge may fall on its other side
    far = ~(np.abs(one - other) <= TOLERANCE * np.std(other) + 1e-5)
    assert far.mean() < 1e-3 if one.ndim == 5 else not far.any()


JOINT_CASES = [
  ((2, 16, 12, 9, 4, 5, 3, 1), True, True),
  ((3, 16, 16, 17, 4, 32, 3, 1), True, True),  # a group at a time, in rows
  ((3, 16, 16, 17, 4, 32, 3, 1), True, False),
  ((1, 21, 6, 6, 17, 18, 3, 1), False, True),
  ((2, 17, 9, 8, 3, 5, 3, 1), True, False),
  ((2, 16, 9, 7, 6, 7, 3, 2), True, True),
  ((1, 5, 6, 5, 3, 9, 1, 2), False, False),
  # kernels some channels at a time
  ((2, 17, 4, 4, 130, 97, 3, 1), True, True),
]


@pytest.mark.parametrize(('case', 'relu', 'residual'), JOINT_CASES, ids=str)
def test_a_convolution_with_its_norm_equals_float64(case, relu, residual):
  check_joint(loaded(), case, relu, residual)


def test_what_is_not_finite_stays_so_in_its_own_example():
  backend = native_backend(loaded())
  x = np.random.default_rng(0).standard_normal((2, 4, 8, 8, 16))
  kernel = np.random.default_rng(1).standard_normal((3, 3, 4, 4))
  for value in (np.nan, np.inf):
    x[1, 2, 3, 4, 5] = value
    y, dx, _ = through(loaded(), x, kernel, x, 1)
    for found in (y, dx):
      bad = ~np.isfinite(np.asarray(found)).all((1, 2, 3))
      assert np.argwhere(bad).tolist() == [[1, 5]]
    activations = jnp.asarray(x, jnp.float32)
    z = backend.batch_norm(
      activations, jnp.ones(4), jnp.zeros(4), None, None, True, 1e-5
    )[0]
    assert np.isnan(np.asarray(z)[:, 2]).any()  # and not 0, by the ReLU
    assert np.isfinite(np.asarray(z)[:, [0, 1, 3]]).all()


def test_types_that_the_kernels_do_not_know_go_another_way():
  backend = native_backend(loaded())
  images = jnp.ones((4, 4, 4, 3), jnp.bfloat16)
  kernel = jnp.ones((3, 3, 3, 2), jnp.bfloat16)
  out = backend.conv(backend.enter(images), kernel, 1)
  assert out.dtype == jnp.bfloat16
  assert float(backend.leave(out)[0, 1, 1, 0]) == 27


@pytest.mark.parametrize('batch', [1, 3, 32, 40, 48, 97])
def test_groups_divide_the_batch_and_fill_the_lanes(batch):
  lanes = loaded().lanes
  backend = native_backend(loaded())
  x = backend.enter(jnp.zeros((batch, 2, 2, 1)))
  assert x.shape[0] * x.shape[-1] == batch
  if batch % lanes == 0:
    assert x.shape[-1] == lanes
  images = jnp.arange(batch * 4.0).reshape(batch, 2, 2, 1)
  back = backend.leave(backend.enter(images))
  np.testing.assert_array_equal(back, images)


def test_a_network_and_its_gradient_equal_those_without_kernels():
  net = architecture('resnet8', (9, 9, 3), 10, 4)
  variables = net.init(0)
  generator = np.random.default_rng(0)
  images = jnp.asarray(generator.standard_normal((6, 9, 9, 3)), jnp.float32)
  weights = jnp.asarray([1.0] * 5 + [0.0])

  def run(backend):
    def loss(params):
      logits, new = net.module(backend).apply(
        {**variables, 'params': params},
        images,
        weights,
        train=True,
        mutable='batch_stats',
      )
      return (logits[:5] ** 2).sum(), (logits[:5], new)

    (_, (logits, new)), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(
      variables['params']
    )
    return logits, new, grads

  found = run(native_backend(loaded()))
  expected = run(conv_backends.NHWC)
  leaves = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
  for one, other in leaves:
    assert_near(one, np.asarray(other), 1e-3)


@pytest.fixture
def compiler(tmp_path):
  """A compiler that copies a file and counts how often it does."""
  made, log, script = (tmp_path / n for n in ('made', 'log', 'c++'))
  made.write_bytes(b'a library')
  script.write_text(
    '#!/bin/sh\n'
    'if [ "$1" = --version ]; then echo copier 1; exit; fi\n'
    f'echo once >> {shlex.quote(str(log))}; sleep 0.2\n'
    'for last; do :; done\n'
    f'cp {shlex.quote(str(made))} "$last"\n'
  )
  script.chmod(script.stat().st_mode | stat.S_IXUSR)

  def count():
    return len(log.read_text().splitlines()) if log.exists() else 0

  return [str(script)], count


def test_a_library_is_compiled_once_and_again_where_damaged(compiler, tmp_path):
  command, count = compiler
  folder = tmp_path / 'kept'
  folder.mkdir()
  found = set()

  def build():
    found.add(library.build(folder, 'plain', command))

  threads = [threading.Thread(target=build) for _ in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  (path,) = found
  assert count() == 1 and path.read_bytes() == b'a library'
  before = path.stat().st_ino
  path.write_bytes(b'half a')
  assert library.build(folder, 'plain', command) == path
  assert count() == 2 and path.read_bytes() == b'a library'
  assert path.stat().st_ino != before or path.stat().st_nlink == 1
  assert library.build(folder, 'avx2', command) != path
  assert count() == 3
  names = {p.suffix for p in folder.iterdir()}
  assert not any(p.name.endswith('.aside') for p in folder.iterdir()), names


def test_a_compiler_that_fails_is_quoted(tmp_path):
  script = tmp_path / 'c++'
  script.write_text(
    '#!/bin/sh\n'
    'if [ "$1" = --version ]; then echo broken 1; exit; fi\n'
    'echo "x.cc:1: error: no header" >&2; exit 1\n'
  )
  script.chmod(0o755)
  with pytest.raises(
    library.UnavailableError, match=r'x\.cc:1: error: no head'
  ):
    library.build(tmp_path, 'plain', [str(script)])
  assert not list(tmp_path.glob('*.so')) and not list(tmp_path.glob('.*aside'))


def test_every_source_is_part_of_the_name(monkeypatch, tmp_path, compiler):
  command, _ = compiler
  before = library.name_of('plain', command)
  for path in library.sources():
    shutil.copy(path, tmp_path / path.name)
  monkeypatch.setattr(library, 'SOURCES', tmp_path)
  assert library.name_of('plain', command) == before
  with (tmp_path / 'norm.h').open('a') as file:
    file.write('// another\n')
  assert library.name_of('plain', command) != before


def test_without_a_compiler_xla_computes_and_one_notice_says_why(
  monkeypatch, tmp_path, caplog
):
  monkeypatch.setenv('PATH', str(tmp_path))
  monkeypatch.setenv('CXX', 'no-such-compiler')
  with caplog.at_level(logging.WARNING):
    assert default_backend() is conv_backends.GCHWN
    assert default_backend() is conv_backends.GCHWN
  (record,) = caplog.records
  assert 'no C++ compiler' in record.getMessage()
  assert 'no-such-compiler' in record.getMessage()
  with pytest.raises(library.UnavailableError, match=r'--config\.native=on'):
    default_backend(native='on')


def test_the_switch_chooses():
  name = loaded().name
  assert kernels(default_backend(native='on')) == name
  assert default_backend(native='off') is conv_backends.GCHWN
  assert kernels(conv_backends.GCHWN) == ''
  mlp = architecture('mlp2', (8, 8, 1), 10, 4)
  assert mlp.backend(native='on') is conv_backends.GCHWN  # it has no use


def test_kernels_are_recorded_and_a_run_is_finished_by_those_that_began_it(
  tmp_path, monkeypatch, capsys
):
  entry = datasets.DatasetEntry(make_dataset)
  monkeypatch.setitem(datasets.DATASETS, 'tiny', entry)
  monkeypatch.setattr(loop, 'SEGMENT_SECONDS', 0.0)  # many segments

  def start(kernels_, asked_to_stop=lambda: False, **values):
    monkeypatch.setattr(session, 'record_kernels', lambda *_: kernels_)
    config = base_config(
      recipe=Recipe(batch_size=8, epochs=3, drop_epochs=(2,), rewind_step=2),
      dataset='tiny',
      sources=('mlp2',),
      targets=('mlp2',),
      methods=('imp',),
      width=4,
      levels=1,
      compare_levels=(1,),
      **{'replicates': 1, 'checkpoint_seconds': 1e-9, **values},
    )
    return session.run(config, tmp_path, asked_to_stop)

  with pytest.raises(StudyStopped):
    start('native-x', lambda: any(tmp_path.glob('partial/*/step-*')))
  with pytest.raises(StoreError, match=r'half trained.*--config\.native=on'):
    start('')
  with pytest.raises(StoreError, match='the compiler that began it'):
    start('native-y')
  assert start('native-x')
  (manifest, *_) = tmp_path.glob('runs/*/manifest.json')
  ticket = Ticket.load(tmp_path / 'tickets/mlp2-r0-rewind.safetensors')
  about = json.loads(manifest.read_text())['about']
  for versions in (about['versions'], ticket.provenance['versions']):
    assert versions['kernels'] == 'native-x'
  capsys.readouterr()
  assert start('', replicates=2)
  assert "kernels was native-x, now XLA's" in capsys.readouterr().out
  new = Ticket.load(tmp_path / 'tickets/mlp2-r1-rewind.safetensors')
  assert 'kernels' not in new.provenance['versions']
