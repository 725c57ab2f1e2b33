"""Workdirs on an object store: killed, raced for and damaged, the same bytes.

The object store is moto's server, a process of this machine.
"""

import dataclasses
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from elth_jax import doctor
from elth_jax.cli.commands import run_command
from elth_jax.process.signals import StudyStopped
from elth_jax.runner import session
from elth_jax.runner.study import Study
from elth_jax.storage import manifest, object_store
from elth_jax.storage.manifest import DamagedError
from elth_jax.storage.object_store import ObjectStore, ObjectStoreError
from elth_jax.training import checkpoint
from elth_jax.workdir import mirror, object_owner, outputs
from elth_jax.workdir.lock import BusyError
from elth_jax.workdir.object_owner import ObjectOwner
from elth_jax.workdir.object_products import COMMIT, ObjectProducts
from elth_jax.workdir.store import Store, StoreError
from tests import crash, hosts_study
from tests.test_hosts import alone

LIMIT = 300  # seconds
BUCKET = 'bucket'
URL = f's3://{BUCKET}/runs/study'
needs_server = pytest.mark.skipif(
  not all(map(importlib.util.find_spec, ('s3fs', 'moto', 'flask_cors'))),
  reason="pip install 'elth_jax[s3]' 'moto[server]'",
)


def settings(port):
  return {
    'AWS_ACCESS_KEY_ID': 'key',
    'AWS_SECRET_ACCESS_KEY': 'secret',
    'AWS_DEFAULT_REGION': 'us-east-1',
    'AWS_ENDPOINT_URL': f'http://127.0.0.1:{port}',
    'AWS_EC2_METADATA_DISABLED': 'true',  # credentials are of here alone
    'AWS_CONFIG_FILE': os.devnull,
    'AWS_SHARED_CREDENTIALS_FILE': os.devnull,
  }


@pytest.fixture(scope='module')
def port():
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    found = free.getsockname()[1]
  command = [sys.executable, '-m', 'tests.object_server', str(found)]
  server = subprocess.Popen(
    command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
  )
  deadline = time.monotonic() + LIMIT
  while True:
    try:
      socket.create_connection(('127.0.0.1', found)).close()
      break
    except OSError:
      assert server.poll() is None and time.monotonic() < deadline
      time.sleep(0.1)
  yield found
  server.kill()
  server.wait()


@pytest.fixture
def place(port, monkeypatch, tmp_path):
  """An empty bucket, and an empty cache."""
  import boto3

  for name, value in settings(port).items():
    monkeypatch.setenv(name, value)
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path / 'cache'))
  bucket = boto3.resource('s3').Bucket(BUCKET)
  bucket.create()
  bucket.objects.all().delete()
  found = ObjectStore(URL)
  yield found
  found.close()


def local():
  return mirror.local_root(URL)


def study(tmp_path, monkeypatch):
  """What the study ends in on a disk; it is known here from then on."""
  return alone('tickets', tmp_path / 'local', monkeypatch)


def run(**options):
  return session.run({**hosts_study.study('tickets'), **options}, URL)


def products(objects, root, require_owner=lambda: None):
  return ObjectProducts(objects, Store(root), require_owner)


def made(store, content, name='one'):
  """A product that holds a text."""
  folder = store.root / 'runs' / name
  folder.parent.mkdir(exist_ok=True)

  def fill(aside):
    (aside / 'result.json').write_text(content)

  manifest.publish(folder, {'node': 'key'}, fill)
  return folder


def text(root, name='one'):
  return (root / 'runs' / name / 'result.json').read_text()


def flip(objects, name):
  data = bytearray(objects.read(name))
  data[len(data) // 2] ^= 1
  objects.write(name, bytes(data))


def find(objects, end):
  (name,) = [name for name in objects.sizes() if name.endswith(end)]
  return name


@pytest.mark.parametrize('url', ['S3://b/x//', 's3:/b/x', 's3://b/x'])
def test_one_url_has_one_folder_in_the_cache(url, monkeypatch, tmp_path):
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path))
  root = mirror.local_root(url)
  assert root == mirror.local_root('s3://b/x')
  assert root.parent == tmp_path / 'workdirs' and root.name.startswith('b-x-')
  assert root != mirror.local_root('s3://b/X')
  monkeypatch.setenv('AWS_ENDPOINT_URL', 'http://other')
  assert root != mirror.local_root('s3://b/x')


@pytest.mark.parametrize(
  ('url', 'options', 'error', 'match'),
  [
    ('s3://', {}, StoreError, 's3:.* names no bucket'),
    ('gs://b/x', {}, StoreError, 'gs: is not read or written'),
    (URL, {'executor': 'shared'}, session.ConfigError, 'shared and workdir'),
    (URL, {}, StoreError, r"workdir s3://.*pip install 'elth_jax\[s3\]'"),
  ],
)
def test_what_cannot_be_used_is_refused(
  url, options, error, match, monkeypatch, tmp_path
):
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path / 'cache'))
  monkeypatch.setitem(sys.modules, 's3fs', None)  # as if not installed
  config = {**hosts_study.study('tickets'), **options}  # of no known data
  with pytest.raises(error, match=match):
    session.run(config, url)
  assert not list(tmp_path.iterdir())


@needs_server
@pytest.mark.slow
@pytest.mark.parametrize(
  ('changed', 'match'),
  [
    (
      {'AWS_ACCESS_KEY_ID': ''},
      'Unable to locate credentials; set AWS_PROFILE',
    ),
    ({'AWS_ENDPOINT_URL': 'http://127.0.0.1:9'}, 'not connect.*a network'),
    ({}, 'bucket does not exist; make the bucket first'),
  ],
)
def test_an_object_store_that_does_not_answer_is_refused(
  changed, match, place, monkeypatch
):
  for name, value in changed.items():
    if value:
      monkeypatch.setenv(name, value)
    else:
      monkeypatch.delenv(name)
  url = URL if changed else 's3://no-such-bucket/x'
  with pytest.raises(StoreError, match=match) as found:
    session.run(hosts_study.study('tickets'), url)
  assert '\n' not in str(found.value)


@needs_server
@pytest.mark.slow
def test_of_many_who_create_an_object_one_succeeds(place):
  with pytest.raises(FileNotFoundError):
    place.read('x')
  won = []
  barrier = threading.Barrier(8)

  def write(number):
    barrier.wait()
    if place.write_once('x', b'%d' % number):
      won.append(number)

  threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert [place.read('x')] == [b'%d' % number for number in won]
  place.write('x', b'again')
  assert place.sizes() == {'x': 5} and place.read_all(['x', 'y']) == {
    'x': b'again'
  }
  place.delete(['x', 'y'])
  assert place.sizes() == {}


@needs_server
@pytest.mark.slow
def test_a_create_that_others_hold_up_is_tried_again_and_given_up(
  place, monkeypatch
):
  cause = ValueError()
  cause.response = {'Error': {'Code': 'ConditionalRequestConflict'}}
  real, tried = place._files.pipe_file, []

  def held_up(*arguments, **options):
    tried.append(arguments)
    if len(tried) <= held:
      raise OSError('another one is at it') from cause
    return real(*arguments, **options)

  monkeypatch.setattr(place._files, 'pipe_file', held_up)
  monkeypatch.setattr(object_store, 'CONFLICT_SECONDS', (0.01, 0.01))
  held = 2
  assert place.write_once('x', b'1') and len(tried) == 3
  held = 100
  with pytest.raises(ObjectStoreError, match='another one is at it'):
    place.write_once('y', b'1')
  assert len(tried) == 6


@needs_server
@pytest.mark.slow
def test_an_object_store_that_creates_nothing_once_is_refused(
  place, monkeypatch
):
  monkeypatch.setattr(
    ObjectStore, 'write_once', lambda self, *about: [self.write(*about)] != []
  )
  with pytest.raises(StoreError, match='must be created once'):
    run()
  assert place.sizes() == {}


@needs_server
@pytest.mark.slow
@pytest.mark.parametrize('contents', [('1', '2'), ('1', '1')])
def test_two_writers_race_for_a_product(contents, place, tmp_path, capsys):
  """Both have uploaded their files when the first one commits."""
  barrier = threading.Barrier(2)
  both = [
    products(place, tmp_path / name, barrier.wait) for name in ('one', 'two')
  ]
  paths = [made(b.store, c) for b, c in zip(both, contents, strict=True)]
  threads = [
    threading.Thread(target=one.published, args=(path,))
    for one, path in zip(both, paths, strict=True)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  texts = [text(one.store.root) for one in both]
  assert texts[0] == texts[1] in contents
  assert len(place.sizes()) == 3  # a commit, and the files of one of them
  assert place.read(find(place, '/result.json')).decode() == texts[0]
  said = capsys.readouterr().err
  assert said.count('which was there first') == (contents[0] != contents[1])
  third = products(place, tmp_path / 'three')
  third.exchange()
  assert text(third.store.root) == texts[0]


@needs_server
@pytest.mark.slow
@pytest.mark.parametrize('named', ['object', 'commit', 'gone'])
def test_a_late_writer_replaces_what_is_damaged_there(
  named, place, tmp_path, capsys
):
  first, late = (products(place, tmp_path / name) for name in ('one', 'two'))
  first.published(made(first.store, 'first'))
  if named == 'gone':
    place.delete([find(place, '/result.json')])
  else:
    end = '/result.json' if named == 'object' else '/commit.json'
    flip(place, find(place, end))
  late.published(made(late.store, 'late'))
  assert text(late.store.root) == 'late'
  assert f'{URL}/runs/one cannot be used' in capsys.readouterr().err
  third = products(place, tmp_path / 'three')
  third.exchange()
  assert text(third.store.root) == 'late'
  assert any(name.startswith('damaged/') for name in place.sizes())


@needs_server
@pytest.mark.slow
def test_what_was_half_written_is_not_read_and_swept(place, tmp_path):
  one = products(place, tmp_path / 'one')
  one.published(made(one.store, 'whole'))
  whole = place.sizes()
  place.write('runs/two/0123abcd/result.json', b'half')
  place.write('runs/one/0123abcd/result.json', b'half')
  place.write('report.html', b'not a product')
  two = products(place, tmp_path / 'two')
  two.exchange()
  assert [path.name for path in two.store.products()] == ['one']
  assert place.sizes().keys() == {*whole, 'report.html'}


@needs_server
@pytest.mark.slow
def test_a_product_that_is_outdated_is_made_again(place, tmp_path):
  one = products(place, tmp_path / 'one')
  one.store.on_published = one.published
  one.store.on_outdated = one.outdated
  one.published(made(one.store, 'old'))
  one.store.set_aside(one.store.root / 'runs' / 'one', 'outdated')
  one.published(made(one.store, 'new'))
  other = products(place, tmp_path / 'other')
  other.exchange()
  assert text(other.store.root) == 'new'
  kept = [name for name in place.sizes() if name.endswith('/result.json')]
  assert sorted(map(place.read, kept)) == [b'new', b'old']


@needs_server
@pytest.mark.slow
def test_without_a_network_products_are_copied_later(
  place, tmp_path, monkeypatch, capsys
):
  one = products(place, tmp_path / 'one')

  def fail(self, name, data):
    raise ObjectStoreError('no network')

  with monkeypatch.context() as patch:
    patch.setattr(ObjectStore, 'write', fail)
    one.published(made(one.store, 'first'))
  assert 'no network; one is copied there later' in capsys.readouterr().err
  assert not place.sizes()
  one.published(made(one.store, 'second', 'two'))
  assert len(place.sizes()) == 6


@needs_server
@pytest.mark.slow
def test_one_process_owns_the_workdir(place, monkeypatch):
  first, second = (ObjectOwner(place, seconds=60) for _ in range(2))
  first.find_free(lambda: False)
  second.find_free(lambda: False)
  with first.owned():
    # of this machine, and alive; and of two who found it free
    with pytest.raises(BusyError, match=f'{URL} is in use by process'):
      ObjectOwner(place, seconds=0).find_free(lambda: False)
    with pytest.raises(BusyError, match='in use by process'), second.owned():
      pass
  third = ObjectOwner(place, seconds=60)
  third.find_free(lambda: False)  # at once: the first one has ended
  assert third.before == first.token


@needs_server
@pytest.mark.slow
def test_an_owner_goes_on_where_the_answer_to_its_create_was_lost(
  place, monkeypatch
):
  owner, other = (ObjectOwner(place, seconds=60) for _ in range(2))
  owner.find_free(lambda: False)
  other.find_free(lambda: False)
  real = place.write_once
  # the client tries again, and finds what it wrote itself
  monkeypatch.setattr(place, 'write_once', lambda *a: real(*a) and real(*a))
  with owner.owned():
    owner.require()
    with pytest.raises(BusyError, match='in use by process'), other.owned():
      pass


def test_names_that_lead_out_of_a_workdir_are_refused():
  """As whoever may write to a bucket could give."""

  class Objects:
    url = URL

    def read_all(self, names):
      return {}

    def sizes(self, folder):
      return {f'{folder}/one.png': 1, f'{folder}/../../evil.txt': 1}

  with pytest.raises(StoreError, match=r'evil\.txt.*names no file of a study'):
    mirror.own_files(Objects())


@needs_server
@pytest.mark.slow
def test_an_owner_elsewhere_is_taken_over_once_it_is_silent(place, monkeypatch):
  here = object_owner.this_process()
  far = dataclasses.replace(here, host='far', machine='another')
  monkeypatch.setattr(object_owner, 'LOOK_SECONDS', 0.1)
  with monkeypatch.context() as patch:
    patch.setattr(object_owner, 'this_process', lambda: far)
    first = ObjectOwner(place, seconds=1.2)
  second = ObjectOwner(place, seconds=60)
  first.find_free(lambda: False)
  with first.owned():
    with pytest.raises(StudyStopped):
      second.find_free(lambda: True)
    with pytest.raises(BusyError, match='on far'):
      second.find_free(lambda: False)  # the count changes
    first._beat, beat = lambda: None, first._beat  # it hangs
    second.seconds = 1.2
    second.find_free(lambda: False)
    with second.owned():
      first.require()
      beat()
      with pytest.raises(BusyError, match='in use by process'):
        first.require()


@needs_server
@pytest.mark.slow
def test_a_study_ends_as_on_a_disk(place, tmp_path, monkeypatch, capsys):
  expected = study(tmp_path, monkeypatch)
  assert run()
  assert f'{URL} is kept alike with {local()}' in capsys.readouterr().out
  assert crash.results(local()) == expected
  for name in ('results.csv', 'report.html', 'sessions.jsonl', 'manifest.json'):
    assert place.read(name) == (local() / name).read_bytes()
  before = crash.content(local())
  shutil.rmtree(local())  # as on another machine
  there = place.sizes()
  assert run()
  found = crash.content(local())
  for name in {*found, *before} - {mirror.STATE, 'sessions.jsonl'}:
    assert found[name] == before[name], name
  starts = found['sessions.jsonl'].splitlines(keepends=True)
  assert len(starts) == 2 and starts[0] == before['sessions.jsonl']
  changed = {'.owners/1.json', '.owners/2.json'}
  assert place.sizes().keys() ^ there.keys() == changed
  assert 'NOTE' not in capsys.readouterr().err


@needs_server
@pytest.mark.slow
def test_damage_there_is_named_and_mended(place, tmp_path, monkeypatch, capsys):
  expected = study(tmp_path, monkeypatch)
  assert run()
  # what the folder here still has is copied there again
  place.delete(
    name
    for name in place.sizes()
    if re.search('runs/mlp2-r0-dense/.*/result.json', name)
  )
  assert run()
  assert 'runs/mlp2-r0-dense cannot be used' in capsys.readouterr().err
  shutil.rmtree(local())
  flip(place, 'results.csv')
  assert run()
  (note,) = capsys.readouterr().err.splitlines()
  assert 'results.csv does not match its SHA-256' in note
  # what it has not is made again
  shutil.rmtree(local())
  names = [
    name
    for name in place.sizes()
    if 'mlp2-r1-rewind' in name or 'runs/mlp2-r2-dense/commit' in name
  ]
  for name in (*names, 'config.json'):
    flip(place, name)
  assert run()
  said, err = capsys.readouterr()
  assert err.count('cannot be used') == 2
  assert 'config.json does not match its SHA-256' in said
  assert 'cannot be used' in (local() / 'report.html').read_text()
  assert crash.results(local()) == expected
  shutil.rmtree(local())
  assert run()
  assert crash.results(local()) == expected
  assert 'NOTE' not in capsys.readouterr().err


@needs_server
@pytest.mark.slow
def test_damage_here_is_mended_from_there(place, tmp_path, monkeypatch, capsys):
  expected = study(tmp_path, monkeypatch)
  assert run()
  network = local() / 'runs' / 'mlp2-r0-dense' / 'trained.safetensors'
  network.write_bytes(b'damaged')
  assert run()
  assert f'{network.parent} differed from' in capsys.readouterr().err
  assert crash.results(local()) == expected


@needs_server
@pytest.mark.slow
def test_a_study_is_fetched(place, tmp_path, monkeypatch, capsys):
  expected = study(tmp_path, monkeypatch)
  with pytest.raises(FileNotFoundError, match='holds no study'):
    Study.fetch(URL, tmp_path / 'copy')
  assert run()
  there, before = place.sizes(), crash.content(local())
  copy = tmp_path / 'copy'
  found = Study.fetch(URL, copy)
  assert place.sizes() == there
  assert crash.results(copy) == expected and len(found.results) == 6
  left_out = {mirror.STATE, '.lock'}
  after = crash.content(copy)
  for name in before.keys() - left_out:
    assert after[name] == before[name], name
  assert doctor.main([str(copy)]) == 0
  capsys.readouterr()
  # what is new is taken, what is gone goes, and what was damaged here is mended
  (copy / 'runs' / 'mlp2-r0-dense' / 'result.json').write_text('damaged')
  place.delete([f'runs/mlp2-r1-dense/{COMMIT}'])
  flip(place, f'runs/mlp2-r2-dense/{COMMIT}')
  assert run_command(['fetch', URL, str(copy)]) == 1
  said, err = capsys.readouterr()
  assert f'DAMAGED {URL}/runs/mlp2-r2-dense cannot be used' in said
  assert '11 products' in said and '1 of them new; the study is done' in said
  assert 'runs/mlp2-r0-dense differed from' in err
  assert not (copy / 'runs' / 'mlp2-r1-dense').exists()
  with pytest.raises(DamagedError, match=r'is not whole: .*r2-dense'):
    Study.fetch(URL, copy)
  # a study goes on in a copy; nothing of it is replaced from then on
  assert session.run(hosts_study.study('tickets'), copy)
  assert crash.results(copy) == expected
  with pytest.raises(FileExistsError, match='a study has gone on in'):
    Study.fetch(URL, copy)
  with pytest.raises(FileExistsError, match='is not empty, and no copy of'):
    Study.fetch(URL, tmp_path / 'local')


@needs_server
@pytest.mark.slow
def test_a_study_that_goes_on_is_fetched_whole(place, tmp_path, monkeypatch):
  """Its files are replaced, and its manifest changes, while they are read."""
  study(tmp_path, monkeypatch)
  assert run()
  read_all, reads = ObjectStore.read_all, []

  def meanwhile(objects, names):
    found = read_all(objects, names)
    reads.append(names)
    if len(reads) == 2:  # between the first look at the manifest and the second
      store = Store(local())
      outputs.reopen(store)
      for name in ('results.csv', manifest.NAME):
        place.write(
          name, b'' if 'csv' in name else (local() / name).read_bytes()
        )
    return found

  monkeypatch.setattr(ObjectStore, 'read_all', meanwhile)
  found = mirror.own_files(place)
  assert len(reads) == 6 and found['results.csv'] == b''


@needs_server
@pytest.mark.slow
def test_a_workdir_that_is_begun_anew_takes_nothing_from_the_folder(
  place, tmp_path, monkeypatch, capsys
):
  study(tmp_path, monkeypatch)
  assert run()
  capsys.readouterr()
  place.delete(place.sizes())
  assert run()
  said = capsys.readouterr()
  assert 'was of another workdir; it is now' in said.err
  assert '0 of 12 nodes' in said.out
  assert (local() / 'sessions.jsonl').read_text().count('\n') == 1


@needs_server
@pytest.mark.slow
@pytest.mark.parametrize('elsewhere', [False, True])
def test_half_done_runs_go_on_unless_others_worked_since(
  elsewhere, place, tmp_path, monkeypatch
):
  expected = study(tmp_path, monkeypatch)
  config = {**hosts_study.study('tickets'), 'checkpoint_seconds': 1e-6}

  def is_half_done():
    return any(local().glob('partial/*/step-*'))

  with pytest.raises(StudyStopped):
    session.run(config, URL, asked_to_stop=is_half_done)
  assert is_half_done()
  # stopped, and the log is there
  assert place.read('metrics.jsonl') == (local() / 'metrics.jsonl').read_bytes()
  if elsewhere:
    other = ObjectOwner(place, seconds=60)
    other.find_free(lambda: False)
    with other.owned():
      pass
  restored = []
  restore = checkpoint.restore
  monkeypatch.setattr(
    checkpoint, 'restore', lambda *a: restored.append(a) or restore(*a)
  )
  assert run()
  assert bool(restored) != elsewhere
  assert crash.results(local()) == expected


@needs_server
@pytest.mark.slow
def test_the_log_is_copied_as_the_study_goes_on(place, tmp_path, monkeypatch):
  monkeypatch.setattr(mirror, 'PUSH_SECONDS', 0.05)
  store = Store(tmp_path / 'here')
  with mirror.kept_alike(URL, store, 60):
    outputs.write_config(store, {'a': 1})
    store.write('metrics.jsonl', 'line')
    outputs.close(store, {'node': 'hash'}, {})
    deadline = time.monotonic() + LIMIT
    while 'metrics.jsonl' not in place.sizes():
      assert time.monotonic() < deadline
    # nobody must think that the study is done
    assert not json.loads(place.read('manifest.json'))['about']
  assert (
    place.read('manifest.json') == (store.root / manifest.NAME).read_bytes()
  )


# the writes of a study, before which it is killed, and how many come before
KILLS = (
  'write_once ^workdir.json 0',
  'write_once ^.owners/ 0',
  'write ^config.json 0',
  'write ^manifest.json 0',
  'write ^tickets/.*safetensors$ 1',
  'write_once ^tickets/.*commit 0',  # between files and commit
  'write_once ^runs/.*commit 0',
  'write ^runs/.*result.json$ 2',  # between files
  'write ^results.csv 0',
  'write ^figures/ 2',
)
DONE = 'write ^manifest.json %d'  # all but what says that it is done


@needs_server
@pytest.mark.slow
@pytest.mark.parametrize('kept', [True, False])
def test_a_study_is_killed_again_and_again(kept, place, tmp_path, monkeypatch):
  """The folder here is kept, or lost each time."""
  command = [
    *(sys.executable, '-m', 'elth_jax.main', f'--workdir={URL}'),
    '--config=tests/object_study.py:tickets',
    '--config.checkpoint_seconds=0.000001',
    f'--compilation_cache={tmp_path / "programs"}',
  ]
  environment = {**os.environ, 'JAX_NUM_CPU_DEVICES': '2'}
  counts = []
  for kill in (*KILLS, DONE % kept, ''):
    done = subprocess.run(
      command,
      env={**environment, 'KILL_BEFORE': kill},
      capture_output=True,
      text=True,
      timeout=LIMIT,
    )
    assert done.returncode == (-signal.SIGKILL if kill else 0), (kill, done)
    assert 'cannot be used' not in done.stderr, (kill, done)
    names = place.sizes()
    counts.append(sum(name.endswith('commit.json') for name in names))
    if kill and not kept:
      shutil.rmtree(local(), ignore_errors=True)
  assert counts == sorted(counts) and counts[-1] == 12
  expected = study(tmp_path, monkeypatch)
  assert crash.results(local()) == expected
  shutil.rmtree(local())
  assert run()
  assert crash.results(local()) == expected
  if kept:  # else it was lost each time, within minutes of its last copy
    lines = map(json.loads, place.read('metrics.jsonl').splitlines())
    steps = [(line['node'], line['step']) for line in lines]
    assert len(set(steps)) == len(steps) > 12
  unused = [name for name in names if '/result.json' in name]
  assert len(unused) == 6
