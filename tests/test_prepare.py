"""Preparing real data sets from files in their published formats."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import re
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from elth_jax import datasets
from elth_jax import prepare as command
from elth_jax.datasets import imagenet as imagenet_lib
from elth_jax.datasets import prepare, prepared
from elth_jax.datasets.dataset import content_hash
from elth_jax.datasets.prepare import large
from tests.prepared import jpeg

COUNTS = {'train': 20, 'test': 10}
NAMES = ('mnist', 'fashion_mnist', 'cifar10', 'cifar100', 'svhn_cropped')
REAL = {'mnist': '3.0.1', 'fashion_mnist': '3.0.1', 'cifar10': '3.0.2'}
COMMAND = [sys.executable, '-m', 'elth_jax.prepare']
BATCHES = [f'data_batch_{number}' for number in range(1, 6)]
pytestmark = pytest.mark.filterwarnings('ignore')  # tensorflow-datasets' own


def made_up(name):
  """split -> images and labels of a tiny stand-in for a data set."""
  draw = np.random.default_rng(len(name))
  data = datasets.DATASETS[name].prepared
  return {
    split: (
      draw.integers(0, 256, (count, *data.shape)).astype(np.uint8),
      np.arange(count) % data.classes,
    )
    for split, count in COUNTS.items()
  }


def idx_files(folder, splits, packed=True):
  for part, (images, labels) in zip(
    ('train', 't10k'), splits.values(), strict=True
  ):
    for kind, array in (('images', images[..., 0]), ('labels', labels)):
      head = struct.pack(
        f'>{array.ndim + 1}I', 0x800 + array.ndim, *array.shape
      )
      content = head + array.astype(np.uint8).tobytes()
      path = folder / f'{part}-{kind}-idx{array.ndim}-ubyte'
      if packed:
        Path(f'{path}.gz').write_bytes(gzip.compress(content, 1))
      else:
        path.write_bytes(content)


def rows(images, labels, coarse=False):
  first = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
  columns = [labels // 5] if coarse else []
  columns = np.stack([*columns, labels], 1).astype(np.uint8)
  return np.concatenate([columns, first], 1)


def archive(path, members):
  with tarfile.open(path, 'w:gz', compresslevel=1) as file:
    for name, content in members.items():
      about = tarfile.TarInfo(f'{path.name.split(".")[0]}/{name}')
      about.size = len(content)
      file.addfile(about, io.BytesIO(content))


def cifar_files(folder, splits, coarse=False):
  parts = np.array_split(rows(*splits['train'], coarse), 5)
  members = {
    f'{n}.bin': p.tobytes() for n, p in zip(BATCHES, parts, strict=True)
  }
  members['test_batch.bin'] = rows(*splits['test'], coarse).tobytes()
  if coarse:
    members = {
      f'{split}.bin': rows(*both, True).tobytes()
      for split, both in splits.items()
    }
  name = 'cifar-100-binary' if coarse else 'cifar-10-binary'
  archive(folder / f'{name}.tar.gz', members)


def svhn_files(folder, splits):
  for split, (images, labels) in splits.items():
    y = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
    content = {'X': np.moveaxis(images, 0, -1), 'y': y}
    path = folder / f'{split}_32x32.mat'
    scipy.io.savemat(path, content, do_compression=True)


def write_files(name, folder, splits):
  folder.mkdir(exist_ok=True)
  if 'mnist' in name:
    idx_files(folder, splits)
  elif name == 'svhn_cropped':
    svhn_files(folder, splits)
  else:
    cifar_files(folder, splits, coarse=name == 'cifar100')


def expect(monkeypatch, name, splits):
  """Makes a data set expect the tiny stand-in instead of the real images."""
  data = datasets.DATASETS[name].prepared
  pixels = splits['train'][0].reshape(-1, data.shape[-1]) / 255
  changes = {
    'examples': COUNTS,
    'content': {s: content_hash(*both) for s, both in splits.items()}
    if data.content
    else {},
    'mean': tuple(pixels.mean(0)),
    'std': tuple(pixels.std(0)),
  }
  for field, value in changes.items():
    monkeypatch.setitem(data.__dict__, field, value)


@pytest.fixture
def home(tmp_path, monkeypatch):
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'home'))
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path / 'cache'))
  return tmp_path / 'home'


@pytest.fixture
def source(tmp_path, home, monkeypatch):
  """The published files of a tiny MNIST, which is what is expected."""
  splits = made_up('mnist')
  expect(monkeypatch, 'mnist', splits)
  write_files('mnist', tmp_path / 'files', splits)
  return tmp_path / 'files'


def run(name, source=None):
  return command.run(name, source if source is None else str(source))


def in_home(home):
  """All that is there but locks and downloads."""
  return sorted(
    path.relative_to(home).parts[0]
    for path in home.glob('*')
    if path.suffix != '.lock' and path.name != 'downloads'
  )


@pytest.mark.parametrize('name', NAMES)
def test_published_files_become_the_data_set(
  name, tmp_path, home, monkeypatch, capsys
):
  splits = made_up(name)
  expect(monkeypatch, name, splits)
  write_files(name, tmp_path / 'files', splits)
  assert run(name, tmp_path / 'files') == 0, capsys.readouterr().err
  assert in_home(home) == [name]
  found = datasets.load(name)
  for split, (images, labels) in splits.items():
    arrays = (getattr(found, f'{split}_{k}') for k in ('images', 'labels'))
    assert content_hash(*arrays) == content_hash(images, labels)
  assert 'verified' in capsys.readouterr().out
  assert run(name) == 0  # needs no files, nor network
  assert 'prepared already, and whole' in capsys.readouterr().out


def test_examples_are_in_the_order_of_tensorflow_datasets(source, capsys):
  """Its shuffle sorts rows by the MD5 of split and row; worked out by hand."""
  assert run('mnist', source) == 0
  order = sorted(
    range(20), key=lambda row: hashlib.md5(f'train{row}'.encode()).hexdigest()
  )
  images, labels = made_up('mnist')['train']
  found = datasets.load('mnist')
  np.testing.assert_array_equal(found.train_images, images[order])
  np.testing.assert_array_equal(found.train_labels, labels[order])


def test_plain_tensorflow_datasets_reads_it(
  tmp_path, home, monkeypatch, capsys
):
  import tensorflow_datasets

  splits = made_up('cifar100')
  expect(monkeypatch, 'cifar100', splits)
  write_files('cifar100', tmp_path / 'files', splits)
  assert run('cifar100', tmp_path / 'files') == 0
  folder = home / 'cifar100' / '3.0.2'
  builder = tensorflow_datasets.builder_from_directory(str(folder))
  examples = list(builder.as_data_source('test'))
  assert builder.info.full_name == 'cifar100/3.0.2'
  assert builder.info.splits['train'].num_examples == 20
  first = next(e for e in examples if e['id'] == b'test_00007')
  np.testing.assert_array_equal(first['image'], splits['test'][0][7])
  assert (first['label'], first['coarse_label']) == (7, 1)


def test_files_may_be_unpacked(tmp_path, home, monkeypatch, capsys):
  splits = made_up('mnist')
  expect(monkeypatch, 'mnist', splits)
  idx_files(tmp_path, splits, packed=False)
  assert run('mnist', tmp_path) == 0
  splits = made_up('cifar10')
  expect(monkeypatch, 'cifar10', splits)
  cifar_files(tmp_path, splits)
  packed = tmp_path / 'cifar-10-binary.tar.gz'
  with tarfile.open(packed) as file:
    file.extractall(tmp_path, filter='data')
  packed.unlink()
  (tmp_path / 'cifar-10-binary').rename(tmp_path / 'cifar-10-batches-bin')
  assert run('cifar10', tmp_path) == 0


def python_version(folder, splits, extra=None):
  images, labels = (np.array_split(part, 5) for part in splits['train'])
  batches = dict(zip(BATCHES, zip(images, labels, strict=True), strict=True))
  batches['test_batch'] = splits['test']
  members = {}
  for name, (images, labels) in batches.items():
    content = {b'data': rows(images, labels)[:, 1:], b'labels': labels.tolist()}
    members[name] = pickle.dumps(content | (extra or {}), protocol=2)
  archive(folder / 'cifar-10-python.tar.gz', members)


class Evil:
  def __reduce__(self):
    return os.mkdir, ('made-by-a-pickle',)


def test_the_python_version_is_read_but_runs_nothing(
  tmp_path, home, monkeypatch, capsys
):
  splits = made_up('cifar10')
  expect(monkeypatch, 'cifar10', splits)
  monkeypatch.chdir(tmp_path)
  python_version(tmp_path, splits, {b'x': Evil()})
  assert run('cifar10', tmp_path) == 1
  assert 'it names posix.mkdir' in capsys.readouterr().err
  assert not Path('made-by-a-pickle').exists()
  python_version(tmp_path, splits)
  assert run('cifar10', tmp_path) == 0


def test_half_a_data_set_prepares_the_whole(
  tmp_path, home, monkeypatch, capsys
):
  splits = made_up('cifar10')
  expect(monkeypatch, 'cifar10', splits)
  cifar_files(tmp_path, splits)
  assert run('cifar10b', tmp_path) == 0
  assert 'cifar10b is a half of cifar10' in capsys.readouterr().out
  assert len(datasets.load('cifar10b').train_labels) == 10
  assert run('digits') == 0
  assert 'nothing to prepare' in capsys.readouterr().out


def cut(path):
  path.write_bytes(path.read_bytes()[:-20])


def flip(path):
  """Another first image, in a file that is whole."""
  content = bytearray(gzip.decompress(path.read_bytes()))
  content[16] ^= 255
  path.write_bytes(gzip.compress(bytes(content)))


def fewer(path):
  splits = {s: (i[:8], n[:8]) for s, (i, n) in made_up('mnist').items()}
  idx_files(path.parent, splits)


def swapped(path):
  path.write_bytes((path.parent / LABELS).read_bytes())


IMAGES, LABELS = 'train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz'


@pytest.mark.parametrize(
  ('damage', 'message'),
  [
    (cut, rf'{IMAGES} is damaged .*get the published file again'),
    (flip, r'train holds other images or labels than the published mnist'),
    (fewer, r'train has 8 examples, not 20; get the published files again'),
    (swapped, r'train-images-idx3-ubyte is no idx file of 3 dimension'),
    (Path.unlink, r'train-images-idx3-ubyte.gz is missing; put the published'),
    (lambda path: path.write_bytes(b'GIF89a'), rf'{IMAGES} is damaged'),
    (
      lambda path: path.write_bytes(gzip.compress(b'\0\0\x08\3\0\0')),
      r'idx3-ubyte is cut off: it has 6 bytes',
    ),
    (
      lambda path: [file.unlink() for file in path.parent.iterdir()],
      r'files holds no files of mnist; put train-images.*it holds nothing',
    ),
  ],
)
def test_wrong_files_are_one_line_and_leave_nothing(
  source, home, capsys, damage, message
):
  damage(source / IMAGES)
  assert run('mnist', source) == 1
  error = capsys.readouterr().err
  assert error.startswith('elth_jax: ') and error.count('\n') == 1
  assert re.search(message, error), error
  assert in_home(home) == []
  with pytest.raises(
    prepared.DatasetMissingError, match=r'elth_jax\.prepare mnist'
  ):
    datasets.load('mnist')


def test_archives_that_are_wrong_are_named(tmp_path, home, capsys):
  path = tmp_path / 'cifar-10-binary.tar.gz'
  archive(path, {'data_batch_1.bin': bytes(3073)})
  assert run('cifar10', tmp_path) == 1
  assert 'holds no data_batch_2.bin' in capsys.readouterr().err
  cut(path)
  assert run('cifar10', tmp_path) == 1
  assert 'cifar-10-binary.tar.gz is damaged' in capsys.readouterr().err
  archive(path, dict.fromkeys([f'{n}.bin' for n in BATCHES], bytes(3000)))
  with tarfile.open(path) as file:
    assert len(file.getnames()) == 5
  members = {f'{n}.bin': bytes(3000) for n in (*BATCHES, 'test_batch')}
  archive(path, members)
  assert run('cifar10', tmp_path) == 1
  assert 'data_batch_1.bin has 3000 bytes, no multiple' in (
    capsys.readouterr().err
  )


def test_svhn_of_other_images_is_refused(tmp_path, home, monkeypatch, capsys):
  splits = made_up('svhn_cropped')
  expect(monkeypatch, 'svhn_cropped', splits)
  svhn_files(tmp_path, {s: (i // 2, n) for s, (i, n) in splits.items()})
  assert run('svhn_cropped', tmp_path) == 1
  assert 'other images or labels than the published' in capsys.readouterr().err
  (tmp_path / 'test_32x32.mat').write_bytes(b'MATLAB 5.0 MAT-file' + bytes(99))
  assert run('svhn_cropped', tmp_path) == 1
  assert 'test_32x32.mat is no whole MATLAB' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('name', 'given', 'message'),
  [
    ('cifar', None, "did you mean 'cifar10'? known: cifar10, cifar100"),
    ('mnist:3.0.1', None, "leave the version out: 'mnist'"),
    ('mnist', 'nowhere', 'nowhere does not exist'),
    ('mnist', __file__, 'is a file; give the folder'),
    ('mnist', '', '--from is empty'),
    ('imagenet2012', None, 'wants you to register); bring ILSVRC2012_img_tr'),
    ('imagenet2012', '.', 'ILSVRC2012_img_train.tar is missing'),
    ('places365_small', '.', 'train_256_places365standard.tar is missing'),
  ],
)
def test_bad_arguments_are_one_line(home, capsys, name, given, message):
  assert run(name, given) == 1
  error = capsys.readouterr().err
  assert error.startswith('elth_jax: ') and error.count('\n') == 1
  assert message in error
  with pytest.raises(ValueError, match='unknown data set'):
    datasets.load('mnist:3.0.1')


def test_a_folder_that_cannot_be_written_is_named(
  source, tmp_path, monkeypatch, capsys
):
  (tmp_path / 'file').write_text('')
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'file' / 'data'))
  assert run('mnist', source) == 1
  assert 'set TFDS_DATA_DIR to another folder' in capsys.readouterr().err


def test_damaged_data_is_made_again(source, home, capsys):
  assert run('mnist', source) == 0
  want = datasets.load('mnist').sha256
  for path in (home / 'mnist' / '3.0.1').iterdir():
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert run('mnist', source) == 0
    assert 'it is replaced' in capsys.readouterr().out
    assert path.read_bytes() == whole
  assert datasets.load('mnist').sha256 == want


def test_damaged_data_stays_if_it_cannot_be_made_again(source, home, capsys):
  assert run('mnist', source) == 0
  path = next((home / 'mnist' / '3.0.1').glob('*train*'))
  cut(path)
  damaged = path.read_bytes()
  cut(source / IMAGES)
  assert run('mnist', source) == 1
  assert path.read_bytes() == damaged


def test_data_in_another_format_is_not_replaced(source, home, capsys):
  folder = home / 'mnist' / '3.0.1'
  folder.mkdir(parents=True)
  (folder / 'dataset_info.json').write_text('{"fileFormat": "tfrecord"}')
  assert run('mnist', source) == 1
  assert 'holds tfrecord data, perhaps of another' in capsys.readouterr().err
  assert (folder / 'dataset_info.json').is_file()


def test_two_at_once_and_leftovers(source, home, capsys):
  (home / '.mnist.aside' / 'mnist').mkdir(parents=True)  # of one killed
  lock = prepare.filelock.FileLock(home / '.mnist.lock')
  with lock:
    assert run('mnist', source) == 1
    assert 'prepared by another process' in capsys.readouterr().err
  assert run('mnist', source) == 0
  assert in_home(home) == ['mnist']
  assert not list(home.glob('.*aside'))


def test_what_cannot_be_written_leaves_nothing(
  source, home, monkeypatch, capsys
):
  from array_record.python import array_record_module

  def full(*_):
    raise RuntimeError('write() failed: No space\n left on device')

  monkeypatch.setattr(array_record_module, 'ArrayRecordWriter', full)
  assert run('mnist', source) == 1
  assert 'No space left on device; is the disk full' in capsys.readouterr().err
  assert in_home(home) == [] and not list(home.glob('.*aside'))


def test_a_shard_that_was_written_wrong_is_not_published(
  source, home, monkeypatch, capsys
):
  monkeypatch.setattr(prepare.writing, '_order', lambda *_: [0] * 20)
  assert run('mnist', source) == 1
  assert 'holds other images' in capsys.readouterr().err
  assert in_home(home) == []


@pytest.fixture
def server(monkeypatch, source):
  """A server with MNIST's files that tensorflow-datasets takes for theirs."""
  import tensorflow_datasets
  from tensorflow_datasets.core.download.checksums import UrlInfo
  from tensorflow_datasets.core.utils import Size

  class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
      pass

  handler = functools.partial(Quiet, directory=str(source))
  running = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
  threading.Thread(target=running.serve_forever, daemon=True).start()
  url = f'http://127.0.0.1:{running.server_port}'
  infos = {
    f'{url}/{path.name}': UrlInfo(
      size=Size(path.stat().st_size),
      checksum=hashlib.sha256(path.read_bytes()).hexdigest(),
      filename=path.name,
    )
    for path in source.iterdir()
  }
  monkeypatch.setattr(
    tensorflow_datasets,
    'builder_cls',
    lambda name: types.SimpleNamespace(url_infos=infos),
  )
  yield running
  running.shutdown()
  running.server_close()


def test_files_are_downloaded(server, home, capsys):
  assert run('mnist') == 0, capsys.readouterr().err
  assert datasets.load('mnist').examples == 20
  assert 'downloading train-images-idx3' in capsys.readouterr().out


def test_downloads_of_other_bytes_are_refused(server, source, home, capsys):
  flip(source / 't10k-images-idx3-ubyte.gz')
  assert run('mnist') == 1
  error = capsys.readouterr().err
  assert '--from=FOLDER' in error and error.count('\n') == 1
  assert in_home(home) == []


def test_without_a_network_the_remedy_comes_at_once(
  server, home, monkeypatch, capsys
):
  server.shutdown()
  server.server_close()
  start = time.monotonic()
  assert run('mnist') == 1
  assert time.monotonic() - start < 20
  error = capsys.readouterr().err
  assert 'no connection to 127.0.0.1' in error and error.count('\n') == 1
  assert 'bring train-images-idx3-ubyte.gz' in error
  assert 'python -m elth_jax.prepare mnist --from=FOLDER' in error


def imagenet_files(folder, classes=2, tests=4):
  names = sorted(large_labels())[:classes]
  with tarfile.open(folder / large.TRAIN, 'w') as file:
    for number, name in enumerate(names):
      inner = io.BytesIO()
      with tarfile.open(fileobj=inner, mode='w') as images:
        for image in range(3):
          add(images, f'{name}_{image}.JPEG', jpeg(number, image))
      add(file, f'{name}.tar', inner.getvalue())
  with tarfile.open(folder / large.VALIDATION, 'w') as file:
    for number in range(tests):
      add(file, f'ILSVRC2012_val_{number:08d}.JPEG', jpeg(0, number))


def large_labels():
  import tensorflow_datasets

  root = Path(tensorflow_datasets.__file__).parent
  return (root / 'datasets/imagenet2012/labels.txt').read_text().split()


def add(file, name, content):
  about = tarfile.TarInfo(name)
  about.size = len(content)
  file.addfile(about, io.BytesIO(content))


@pytest.fixture
def imagenet(tmp_path, home, monkeypatch):
  imagenet_files(tmp_path)
  about = imagenet_lib.IMAGENET.__dict__
  monkeypatch.setitem(about, 'examples', {'train': 6, 'test': 4})
  monkeypatch.setitem(about, 'classes', 2)
  return tmp_path


def test_imagenet_needs_tensorflow(imagenet, monkeypatch, capsys):
  monkeypatch.setattr(large.importlib.util, 'find_spec', lambda name: None)
  assert run('imagenet2012', imagenet) == 1
  assert "pip install 'elth_jax[tfds]'" in capsys.readouterr().err


def test_imagenet_is_prepared_by_tensorflow_datasets(imagenet, home, capsys):
  pytest.importorskip('tensorflow', reason='ImageNet is prepared with it')
  assert run('imagenet2012', imagenet) == 0, capsys.readouterr().err
  stream = datasets.load('imagenet2012')
  assert stream.examples == 6 and len(stream.test) == 4
  assert in_home(home) == ['imagenet2012']
  assert run('imagenet2012') == 0


def test_cut_imagenet_is_refused_before_hours_of_work(imagenet, capsys):
  imagenet_files(imagenet, classes=1)
  assert run('imagenet2012', imagenet) == 1
  assert 'train.tar holds 1 files, not 2' in capsys.readouterr().err
  path = imagenet / large.TRAIN
  path.write_bytes(path.read_bytes()[:3000])
  assert run('imagenet2012', imagenet) == 1
  assert 'train.tar is damaged' in capsys.readouterr().err


STOPPED = """
import os, signal, sys
from elth_jax import prepare as command
from elth_jax.datasets import tfds
from elth_jax.datasets.prepare import writing
tfds.Prepared.difference = lambda *_: ''
# a shell that starts tests in the background has it ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
real = writing._png
def stop(image):
  os.kill(os.getpid(), signal.{signal})
  return real(image)
writing._png = stop
sys.exit(command.main(['mnist', '--from={source}']))
"""


@pytest.mark.parametrize('kind', ['SIGINT', 'SIGKILL'])
def test_a_stopped_preparation_leaves_nothing(
  source, home, kind, monkeypatch, capsys
):
  """In a process of its own, which knows the real MNIST: it must not check."""
  code = STOPPED.format(signal=kind, source=source)
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, timeout=120
  )
  if kind == 'SIGINT':
    assert done.returncode == 130
    assert done.stderr == 'elth_jax: stopped; nothing is half prepared\n'
    assert not list(home.glob('.*aside'))
  else:
    assert done.returncode == -signal.SIGKILL
    assert list(home.glob('.*aside'))
  with pytest.raises(prepared.DatasetMissingError):
    datasets.load('mnist')
  assert run('mnist', source) == 0
  assert not list(home.glob('.*aside'))


def test_the_command_is_one_line_and_a_code(home, source):
  """The tiny files are no MNIST to a process that expects the real one."""
  command = [*COMMAND, 'mnist', f'--from={source}']
  done = subprocess.run(command, capture_output=True, text=True, timeout=120)
  assert done.returncode == 1
  assert 'train has 20 examples, not 60000' in done.stderr
  assert done.stderr.startswith('elth_jax: ') and done.stderr.count('\n') == 1


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(REAL))
def test_real_data_from_its_published_files(name, tmp_path, monkeypatch):
  place = Path(os.environ.get('TFDS_DATA_DIR') or '/nowhere', name, REAL[name])
  if not place.is_dir():
    pytest.skip(f'real data: set TFDS_DATA_DIR to a folder with {name}')
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path / 'cache'))
  real = datasets.load(name)
  splits = {
    'train': (real.train_images, real.train_labels),
    'test': (real.test_images, real.test_labels),
  }
  write_files(name, tmp_path / 'files', splits)
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'home'))
  subprocess.run(
    [*COMMAND, name, f'--from={tmp_path / "files"}'],
    check=True,
    timeout=550,
  )
  found = datasets.load(name)
  for split, both in splits.items():
    arrays = (getattr(found, f'{split}_{k}') for k in ('images', 'labels'))
    assert content_hash(*arrays) == content_hash(*both)
