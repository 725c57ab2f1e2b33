"""One start of a study: check, list or run, then write what it found."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from elth_jax.datasets import Dataset, Stream
from elth_jax.process import devices
from elth_jax.process.hosts import Hosts, connect
from elth_jax.process.phases import peak_memory, phase
from elth_jax.process.signals import StudyStopped
from elth_jax.process.text import counted, printable, say
from elth_jax.reading import as_json
from elth_jax.report import results, summary, write_report
from elth_jax.runner import calibration, profile, trackers
from elth_jax.runner.follower import Follower
from elth_jax.runner.kernels import record_kernels
from elth_jax.runner.run import Runner
from elth_jax.runner.study import Study
from elth_jax.study import data
from elth_jax.study.estimate import describe
from elth_jax.study.graph import build, check_score_batches
from elth_jax.study.known_names import check_names
from elth_jax.study.nodes import Node
from elth_jax.study.spec import RunOptions, StudySpec, read_config
from elth_jax.versions import code, versions
from elth_jax.workdir import history, outputs, reuse
from elth_jax.workdir.lock import owned
from elth_jax.workdir.store import Store, StoreError


class ConfigError(ValueError):
  """A config that asks for what cannot be; says which key or name."""


@dataclasses.dataclass(frozen=True)
class _Asked:
  """What one start is asked to do, once all of it is checked.

  Attributes:
    spec: the study.
    options: how it is run.
    nodes: its graph.
    data: name -> data set, as nodes name it.
    kernels: what compute, from `record_kernels`.
    others: workdirs to take finished nodes from.
  """

  spec: StudySpec
  options: RunOptions
  nodes: dict[str, Node]
  data: Mapping[str, Dataset | Stream]
  kernels: str
  others: Sequence[Path]


def run(
  config: Mapping[str, Any] | ConfigDict,
  workdir: Path | str,
  asked_to_stop: Callable[[], bool] = lambda: False,
  command: str = '',
  given: Mapping[str, Any] | None = None,
) -> Study:
  """Runs a study in `workdir`, or what is left of it, and reports.

  With `distributed`, all processes call it with the same arguments; the first
  one alone prints, and reads and writes the workdir.

  Args:
    config: the fields of `StudySpec` and `RunOptions`, e.g. a ConfigDict.
    workdir: the study's folder; it is made, or continued.
    asked_to_stop: looked at between dispatches.
    command: how a person would start it again, for the report.
    given: what a person set beside the config's file; see `read_config`.

  Returns:
    The study; true if every run succeeded, and those that diverged are in
    `failed`.

  Raises:
    ConfigError: if the config is wrong, before anything runs.
    HostsError: if the processes of a study cannot work together.
    devices.DeviceError: if JAX cannot use the devices it is told to use.
    StoreError: if the workdir cannot be used for this config.
    lock.BusyError: if another process works in it.
    manifest.DamagedError: if something is damaged that cannot be made again.
    datasets.DatasetError: if the data is not there, or not the published data.
    StudyStopped: if asked to stop; all that was done is safe.
  """
  store = Store(workdir, writable=False)
  with _as_config_errors():
    spec, options = read_config(config, given)
  if options.dry_run or options.dry_run_nodes:
    _require_devices(command)
    _list(spec, options, asked_to_stop)
    return Study(store.root, {})
  hosts = connect(options.distributed)
  with hosts.together(asked_to_stop):
    _require_devices(command, hosts.leads)
    asked = _load(spec, options, hosts.leads)
    _agree(hosts, asked, asked_to_stop)
    if not hosts.leads:
      follower = Follower(hosts, asked.nodes, asked.data, options)
      return Study(store.root, follower.follow(asked_to_stop))
    runner = _lead(
      store,
      asked,
      hosts,
      lambda: asked_to_stop() or hosts.is_asked_to_stop(),
      command,
    )
    hosts.tell('done', failed=runner.failed)
    return Study(store.root, runner.failed)


@contextlib.contextmanager
def _as_config_errors() -> Iterator[None]:
  """A wrong value, or an unknown name, is an error of the config."""
  try:
    yield
  except ValueError as error:
    raise ConfigError(str(error)) from error


def _require_devices(command: str, leads: bool = True) -> None:
  """Starts JAX; tells a script if the command line would use other devices."""
  devices.require()
  if leads and not command and (note := devices.unlike_the_command()):
    say(f'NOTE {note}')


def _list(
  spec: StudySpec, options: RunOptions, asked_to_stop: Callable[[], bool]
) -> None:
  """Says what a study would run."""
  with _as_config_errors():
    check_names(spec)
    trackers.check(options.tracker)
    reuse.folders(options.reuse)
    outlines = data.outline(spec)
    check_score_batches(spec, outlines)
    nodes = build(spec, outlines)
  _leave_if(asked_to_stop)
  say('training a few steps to know how long it takes here ...')
  pace = calibration.measure(nodes, outlines, options)
  _leave_if(asked_to_stop)
  say(describe(nodes, spec, pace, options.dry_run_nodes))


def _load(spec: StudySpec, options: RunOptions, leads: bool) -> _Asked:
  """Reads and checks all that a start needs.

  Other workdirs are the leader's, as its own is.
  """
  with _as_config_errors():
    check_names(spec)  # before any data is read
    trackers.check(options.tracker if leads else '')
    others = reuse.folders(options.reuse) if leads else []
    found = data.load(spec, options)
    check_score_batches(spec, found)
    nodes = build(spec, found)
    kernels = record_kernels(nodes, options)
  return _Asked(spec, options, nodes, found, kernels, others)


def _agree(
  hosts: Hosts, asked: _Asked, asked_to_stop: Callable[[], bool]
) -> None:
  """Compares what must be the same in all processes, if there are several."""
  if hosts.count == 1:
    return
  keys = json.dumps({name: node.key for name, node in asked.nodes.items()})
  facts = {
    **versions(),
    'code': code(),
    'platform': jax.default_backend(),
    'kernels': asked.kernels or "XLA's",
    'study': hashlib.sha256(keys.encode()).hexdigest(),
  }
  hosts.agree(facts, asked_to_stop)
  if hosts.leads:
    each = len(hosts.devices) // hosts.count
    say(f'{hosts.count} processes of {counted(each, "device")} each')


def _lead(
  store: Store,
  asked: _Asked,
  hosts: Hosts,
  asked_to_stop: Callable[[], bool],
  command: str,
) -> Runner:
  """Runs the study in its workdir; its runner, for what failed."""
  _leave_if(asked_to_stop)  # data may have taken long
  if asked.options.native == 'off':
    say("convolutions are XLA's, since --config.native is off")
  store.make()
  store.kernels = asked.kernels
  profiled = (
    profile.into(store) if asked.options.profile else contextlib.nullcontext()
  )
  with (
    owned(store.root),
    profiled,
    trackers.start(
      asked.options.tracker, store.root, as_json(asked.spec)
    ) as tracker,
  ):
    with phase('recovery'):
      store.sweep()
      notes = _accept(store, asked.spec, asked.nodes)
      notes += reuse.take(store, asked.nodes, asked.others)
      changes = history.note_start(store, command)
      runner = Runner(
        asked.nodes,
        store,
        asked.data,
        asked.options,
        asked_to_stop,
        hosts,
        tracker,
      )
      runner.recovery.notes[:0] = notes
    _run(runner, asked.spec, changes, command)
  return runner


def _run(
  runner: Runner, spec: StudySpec, changes: list[str], command: str
) -> None:
  """Does what is left, and reports."""
  nodes, store, recovery = runner.nodes, runner.store, runner.recovery
  are = 'is' if len(nodes) == 1 else 'are'
  say(
    f'{len(runner.done)} of {counted(len(nodes), "node")} {are} done in '
    f'{store.root}'
  )
  if recovery.finds_work():
    outputs.reopen(store)
  try:
    runner.run()
  finally:  # what is finished is worth reading, whatever stops the rest
    rows = results.collect(nodes, store, runner.done)
    text = results.to_csv(rows)
    rows = results.of_targets(rows, spec)
    new = not store.holds('results.csv', text)
    if new:
      outputs.reopen(store)
      store.write('results.csv', text)
  made = recovery.digests()
  if new or not recovery.covers(made, runner.failed):
    notes = (*changes, *recovery.notes)
    with phase('report'):
      write_report(
        store,
        spec,
        nodes,
        rows,
        runner.failed,
        notes,
        command,
        runner.asked_to_stop,
      )
    outputs.close(store, made, runner.failed)
  lost = results.without_result(nodes, runner.failed)
  say(summary.to_text(rows, printable, results.of_targets(lost, spec)))
  say(f'report: {store.root / "report.html"}')
  if peak := peak_memory():
    say(
      'peak memory: '
      + ', '.join(f'{of} {b / 2**30:.2f} GiB' for of, b in peak.items())
    )
  for note in (*changes, *recovery.notes):
    say(f'NOTE {note}')
  for name, why in runner.failed.items():
    say(f'FAILED {name}: {why}')


def _leave_if(asked_to_stop: Callable[[], bool]) -> None:
  if asked_to_stop():
    raise StudyStopped


def _accept(
  store: Store, spec: StudySpec, nodes: Mapping[str, Node]
) -> list[str]:
  """Writes the config, unless an earlier one forbids it; what to say of it.

  A change is accepted if every node of the earlier study is still there,
  determined by the same things: then it only adds work.
  """
  config = as_json(spec)
  earlier, notes = outputs.read_config(store, config)
  if earlier == config and not notes:
    return []
  if earlier is not None:
    try:
      former = StudySpec.from_config(earlier)
      check_names(former)
      before = build(former, data.load(former))
    except ValueError as error:
      raise StoreError(
        f'{store.root / outputs.CONFIG}: {error}; restore it, or remove it to '
        'have what is finished compared with the config given'
      ) from error
    changed = [
      name
      for name, node in before.items()
      if name not in nodes or nodes[name].key != node.key
    ]
    if changed:
      raise StoreError(
        f'{store.root} holds a study with other settings: '
        f'{_differences(earlier, config)}; give another --workdir, '
        'or change only what adds runs'
      )
  outputs.write_config(store, config)
  return notes


def _differences(old: Mapping, new: Mapping, prefix: str = '') -> str:
  found = []
  for key in sorted(old.keys() | new.keys()):
    one, other = old.get(key), new.get(key)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
      inner = _differences(one, other, f'{prefix}{key}.')
      found += [inner] if inner else []
    elif one != other:
      found.append(f'{prefix}{key} was {one}, now {other}')
  return '; '.join(found)
