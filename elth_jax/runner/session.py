"""One start of a study: check, list or run, then write what it found."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from elth_jax.datasets import Dataset, Stream
from elth_jax.process import compilation, devices
from elth_jax.process.hosts import Hosts, connect
from elth_jax.process.phases import phase
from elth_jax.process.signals import leave_if
from elth_jax.process.text import say
from elth_jax.reading import as_json
from elth_jax.runner import dry_run, ending, profile, trackers
from elth_jax.runner.acceptance import accept
from elth_jax.runner.executors import EXECUTORS, check_options
from elth_jax.runner.follower import Follower
from elth_jax.runner.kernels import record_kernels
from elth_jax.runner.layout import Layout
from elth_jax.runner.order import Order, agree, study_hash
from elth_jax.runner.page import Page
from elth_jax.runner.run import Runner
from elth_jax.runner.study import Study
from elth_jax.storage.manifest import DamagedError
from elth_jax.study import data
from elth_jax.study.checks import check_asked, notes_on
from elth_jax.study.graph import build
from elth_jax.study.known_names import check_names
from elth_jax.study.nodes import Node
from elth_jax.study.spec import RunOptions, StudySpec, read_config
from elth_jax.workdir import history, mirror, outputs, reuse
from elth_jax.workdir.lock import owned, shared
from elth_jax.workdir.store import Store

STUDY = '#study'  # the lease of who begins or ends; no node has such a name


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
  config_file: str = '',
) -> Study:
  """Runs a study in `workdir`, or what is left of it, and reports.

  With `distributed`, all processes call it with the same arguments; the first
  one alone prints, and reads and writes the workdir.

  Args:
    config: the fields of `StudySpec` and `RunOptions`, e.g. a ConfigDict.
    workdir: the study's folder, or `s3://bucket/path`; it is made, or
      continued.
    asked_to_stop: looked at between dispatches.
    command: how a person would start it again, for the report.
    given: what a person set beside the config's file; see `read_config`.
    config_file: the config's file and its argument, if it comes from one;
      workers in other processes run it too, for what it registers.

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
  store = Store(mirror.local_root(workdir), writable=False)
  with _as_config_errors():
    spec, options = read_config(config, given)
    check_options(options)
    _check_workdir(workdir, options)
  if options.dry_run or options.dry_run_nodes:
    _require_devices(command)
    with _as_config_errors():
      dry_run.describe(store, spec, options, asked_to_stop)
    return Study(store.root, {})
  hosts = connect(options.distributed)
  with hosts.together(asked_to_stop), contextlib.ExitStack() as stack:
    _require_devices(command, hosts.leads)
    if hosts.leads:
      seconds = options.lease_seconds
      alike = mirror.kept_alike(workdir, store, seconds, asked_to_stop)
      stack.enter_context(alike)
    asked = _load(spec, options, hosts.leads)
    agree(hosts, asked.nodes, asked.kernels, asked_to_stop)
    if not hosts.leads:
      follower = Follower(hosts, asked.nodes, asked.data, options)
      return Study(store.root, follower.follow(asked_to_stop))
    runner = _lead(
      store,
      asked,
      hosts,
      lambda: asked_to_stop() or hosts.is_asked_to_stop(),
      command,
      config_file,
    )
    hosts.tell('done', failed=runner.failed)
    return Study(store.root, runner.failed)


@contextlib.contextmanager
def _as_config_errors() -> Generator[None]:
  """A wrong value, or an unknown name, is an error of the config."""
  try:
    yield
  except ValueError as error:
    raise ConfigError(str(error)) from error


def _check_workdir(workdir: Path | str, options: RunOptions) -> None:
  shares = EXECUTORS[options.executor].shares_workdir
  if shares and mirror.is_remote(workdir):
    raise ValueError(
      f'executor is {options.executor} and workdir is {workdir}: processes '
      'cannot share one on an object store; give a folder that all of them '
      'see, or --config.executor=local'
    )


def _require_devices(command: str, leads: bool = True) -> None:
  """Starts JAX; tells a script if the command line would use other devices."""
  devices.require()
  if leads and not command and (note := devices.unlike_the_command()):
    say(f'NOTE {note}')


def _load(spec: StudySpec, options: RunOptions, leads: bool) -> _Asked:
  """Reads and checks all that a start needs.

  Other workdirs are the leader's, as its own is.
  """
  with _as_config_errors():
    check_names(spec)  # before any data is read
    trackers.check(options.tracker if leads else '')
    others = reuse.folders(options.reuse) if leads else []
    found = data.load(spec, options)
    check_asked(spec, found)
    nodes = build(spec, found)
    kernels = record_kernels(nodes, options)
  if leads:
    for note in notes_on(spec, nodes):
      say(note)
  return _Asked(spec, options, nodes, found, kernels, others)


def _lead(
  store: Store,
  asked: _Asked,
  hosts: Hosts,
  asked_to_stop: Callable[[], bool],
  command: str,
  config_file: str,
) -> Runner:
  """Runs the study in its workdir; its runner, for what failed."""
  leave_if(asked_to_stop)  # data may have taken long
  if asked.options.native == 'off':
    say("convolutions are XLA's, since --config.native is off")
  store.make()
  store.kernels = asked.kernels
  profiled = (
    profile.into(store) if asked.options.profile else contextlib.nullcontext()
  )
  with _entered(store, asked.options), profiled:
    with phase('recovery'), _alone(store, asked_to_stop) as is_alone:
      leave_if(lambda: not is_alone)
      is_first = not store.leases.others()
      if is_first:
        store.sweep()
        outputs.join_metrics(store)
      notes = [*store.notes, *accept(store, asked.spec, asked.nodes)]
      layout = Layout.of(asked.options, hosts, asked.kernels)
      if store.shared:
        layout.fix(store)
      taken, told = reuse.take(store, asked.nodes, asked.others)
      notes += told
      changes = history.note_start(store, command, told)
      order = Order(
        spec=as_json(asked.spec),
        options=as_json(asked.options),
        workdir=store.root.absolute(),
        study=study_hash(asked.nodes),
        layout=layout,
        config=config_file,
        compiled=compilation.asked(),
        driver=store.leases.token,
      )
      runner = Runner(
        asked.nodes,
        store,
        asked.data,
        asked.options,
        order,
        asked_to_stop,
        hosts,
      )
      runner.recovery.notes[:0] = notes
      _begin(runner, is_first, taken)
    images = asked.data[asked.spec.dataset].test_examples
    page = Page(runner, asked.spec, command, images)
    with trackers.start(
      asked.options.tracker if is_first else '',
      store.root,
      as_json(asked.spec),
    ) as runner.tracker:
      _run(runner, asked.spec, changes, page)
  return runner


@contextlib.contextmanager
def _entered(store: Store, options: RunOptions) -> Generator[None]:
  """Works in the workdir: alone, or beside others if the executor shares it."""
  if not EXECUTORS[options.executor].shares_workdir:
    with owned(store.root, options.lease_seconds):
      yield
    return
  seconds, hung = options.lease_seconds, options.hung_seconds
  with shared(store.root, seconds, hung) as leases:
    store.leases = leases
    yield


def _alone(
  store: Store, asked_to_stop: Callable[[], bool] = lambda: False
) -> contextlib.AbstractContextManager[bool]:
  """While no other process begins or ends in the same workdir."""
  return store.leases.alone(STUDY, asked_to_stop)


def _begin(runner: Runner, is_first: bool, taken: Collection[str]) -> None:
  store = runner.store
  dry_run.say_done(store, runner.done, runner.nodes)
  if runner.recovery.finds_work():
    outputs.reopen(store)
  if is_first:
    runner.trim_metrics(taken)


def _run(
  runner: Runner, spec: StudySpec, changes: list[str], page: Page
) -> None:
  """Does what is left, and reports."""
  store = runner.store
  try:
    runner.run(page.refresh)
  except BaseException:
    # what is finished is worth reading; others who share the workdir see to it
    if not store.shared:
      try:
        ending.write_results(runner, spec)
      except (OSError, DamagedError) as error:  # not why the study ends
        say(f'NOTE results.csv was not written: {error}', sys.stderr)
    raise
  with _alone(store, runner.asked_to_stop) as is_alone:
    leave_if(lambda: not is_alone)
    if store.shared and not outputs.holds_config(store, as_json(spec)):
      say(
        f'another process has added to the study in {store.root}; it writes '
        'results.csv and the report, or its command does when started again'
      )
      return
    rows = ending.report(runner, spec, changes, page)
  ending.summarise(runner, spec, rows, changes)
