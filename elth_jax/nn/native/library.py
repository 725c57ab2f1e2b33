"""The C++ kernels as a shared library: compiled once, kept, checked, loaded.

A library's name holds a hash of the sources, the compiler's version and the
flags; its file's name holds jaxlib's version, whose headers it is compiled
with, and a hash of the file, by which damage is seen. A file appears whole,
under a name of its own, so that no loaded library is ever written to.
"""

import contextlib
import ctypes
import dataclasses
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path

import filelock
import jax
import jaxlib

from elth_jax.process import compilation, processor
from elth_jax.storage.files import ASIDE, sha256

SOURCES = Path(__file__).parent
MAIN = 'calls.cc'
COMPILERS = ('g++', 'clang++', 'c++')
# Not -ffast-math: a library linked with it flushes subnormals to zero in the
# whole process.
FLAGS = (
  '-std=c++17',
  '-O3',
  '-fPIC',
  '-shared',
  '-fvisibility=hidden',
  '-ffp-contract=fast',
  '-fno-math-errno',
  '-fno-trapping-math',
)
CALLS = (
  'forward',
  'input_gradient',
  'kernel_gradient',
  'norm_sums',
  'norm_apply',
  'norm_gradient_sums',
  'norm_gradient',
  'joint_forward',
  'joint_gradient',
)
SUFFIX = '.so'
LOCK_SECONDS = 300  # a compilation takes some ten seconds


class UnavailableError(ValueError):
  """The kernels cannot be had here; says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Instructions:
  """A set of vector instructions.

  Attributes:
    lanes: float32 numbers in a vector.
    needs: what the processor must have, as Linux names it.
    flags: for the compiler.
  """

  lanes: int
  needs: tuple[str, ...] = ()
  flags: tuple[str, ...] = ()


_AVX2 = ('avx2', 'fma')
_AVX512 = ('avx512f', 'avx512bw', 'avx512dq', 'avx512vl')
INSTRUCTIONS = {
  'avx512': Instructions(
    16, _AVX2 + _AVX512, tuple(f'-m{name}' for name in _AVX2 + _AVX512)
  ),
  'avx2': Instructions(8, _AVX2, tuple(f'-m{name}' for name in _AVX2)),
  'plain': Instructions(4),
}


@dataclasses.dataclass(frozen=True)
class Library:
  """Kernels that are loaded.

  Attributes:
    name: says all that their results depend on but the processor: equal names
      give equal bits on one machine.
    lanes: examples in a vector.
  """

  name: str
  lanes: int

  def target(self, call: str) -> str:
    """The name under which XLA knows one of `CALLS`."""
    return f'{self.name}/{call}'


def best_instructions() -> str:
  """The widest vectors that this processor has: a key of `INSTRUCTIONS`."""
  found = processor.features()
  return next(
    name for name, one in INSTRUCTIONS.items() if found.issuperset(one.needs)
  )


def load(instructions: str, compiler: Sequence[str] = ()) -> Library:
  """Kernels for a set of instructions, compiled if they are not kept yet.

  Args:
    instructions: a key of `INSTRUCTIONS`.
    compiler: a command; by default that of `find_compiler`.

  Raises:
    UnavailableError: if there is no compiler, or it fails.
  """
  return _load(instructions, tuple(compiler) or tuple(find_compiler()))


@functools.cache
def _load(instructions: str, compiler: tuple[str, ...]) -> Library:
  loaded = Library(
    name_of(instructions, compiler), INSTRUCTIONS[instructions].lanes
  )
  with _folder() as folder:
    try:
      path = build(folder, instructions, compiler)
    except OSError as error:  # a disk that is full, a lock that stays held
      raise UnavailableError(
        f'the kernels cannot be kept in {folder}: {error}; set ELTH_JAX_CACHE'
      ) from error
    _register(loaded, path)
  return loaded


def name_of(instructions: str, compiler: Sequence[str]) -> str:
  """What `Library.name` is."""
  version = _run([*compiler, '--version']).splitlines()[:1]
  flags = FLAGS + INSTRUCTIONS[instructions].flags
  digest = hashlib.sha256(
    '\n'.join([platform.machine(), *version, *flags]).encode()
  )
  for path in sources():
    digest.update(f'\n{path.name}\n'.encode())
    digest.update(path.read_bytes())
  return f'native-{instructions}-{digest.hexdigest()[:12]}'


def build(folder: Path, instructions: str, compiler: Sequence[str]) -> Path:
  """The library's file in a folder, whole; compiled if it is not there.

  Of several processes that need it one compiles it, and the others wait.

  Raises:
    UnavailableError: if the compiler fails.
  """
  stem = f'{name_of(instructions, compiler)}-jaxlib{jaxlib.__version__}-'
  with filelock.FileLock(folder / f'{stem}lock', timeout=LOCK_SECONDS):
    for left in folder.glob(f'.{stem}*{ASIDE}'):  # of a process that ended
      left.unlink()
    for path in folder.glob(f'{stem}*{SUFFIX}'):
      if path.name == stem + sha256(path) + SUFFIX:
        return path
      path.unlink()  # damaged
    flags = FLAGS + INSTRUCTIONS[instructions].flags
    return _compile(folder, stem, (*compiler, *flags))


def find_compiler() -> list[str]:
  """The command of a C++ compiler.

  Raises:
    UnavailableError: if there is none.
  """
  given = shlex.split(os.environ.get('CXX', ''))
  if given and shutil.which(given[0]):
    return given
  found = next(filter(None, map(shutil.which, COMPILERS)), None)
  if found is None:
    asked = f'CXX is {given[0]!r}, which is not found, and ' if given else ''
    raise UnavailableError(
      f'there is no C++ compiler ({asked}none of {", ".join(COMPILERS)} is on '
      'the PATH); install one, e.g. by apt-get install g++'
    )
  return [found]


def sources() -> list[Path]:
  """The files that are compiled, or included by those."""
  return sorted([*SOURCES.glob('*.h'), *SOURCES.glob('*.cc')])


@contextlib.contextmanager
def _folder() -> Generator[Path]:
  """Where libraries are kept; a temporary folder if nothing is to be kept.

  A library stays loaded when its file is removed.
  """
  kept = compilation.folder()
  if kept is not None:
    folder = kept / 'native'
    with contextlib.suppress(OSError):  # `keep_compiled` warns of it
      folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK):
      yield folder
      return
  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    yield Path(folder)


def _compile(folder: Path, stem: str, command: tuple[str, ...]) -> Path:
  handle, aside = tempfile.mkstemp(ASIDE, f'.{stem}', folder)
  os.close(handle)
  try:
    include = ('-isystem', jax.ffi.include_dir())
    _run([*command, *include, str(SOURCES / MAIN), '-o', aside])
    path = folder / f'{stem}{sha256(Path(aside))}{SUFFIX}'
    os.replace(aside, path)
  except BaseException:
    with contextlib.suppress(OSError):
      os.unlink(aside)
    raise
  return path


def _run(command: Sequence[str]) -> str:
  try:
    done = subprocess.run(
      command, capture_output=True, text=True, errors='replace', check=True
    )
  except OSError as error:
    raise UnavailableError(f'{command[0]} cannot be run: {error}') from error
  except subprocess.CalledProcessError as error:
    lines = [line for line in error.stderr.splitlines() if 'error' in line]
    said = (lines or error.stderr.splitlines() or ['it says nothing'])[0]
    raise UnavailableError(
      f'{command[0]} fails to compile the kernels: {said}'
    ) from error
  return done.stdout


def _register(loaded: Library, path: Path) -> None:
  try:
    library = ctypes.CDLL(str(path))
  except OSError as error:
    raise UnavailableError(f'the kernels cannot be loaded: {error}') from error
  for call in CALLS:
    capsule = jax.ffi.pycapsule(getattr(library, f'elth_{call}'))
    jax.ffi.register_ffi_target(loaded.target(call), capsule, platform='cpu')
