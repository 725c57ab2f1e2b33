"""Compiles a trainer's programs, and reports what the compiler made of them."""

import dataclasses
import time
from collections import Counter
from typing import Any

import jax

from elth_jax.aot.described import TARGETS
from elth_jax.aot.hlo import Cost, Program
from elth_jax.methods import lottery
from elth_jax.training.compiled_steps import PROGRAMS
from elth_jax.training.trainer import Trainer


@dataclasses.dataclass(frozen=True)
class CompiledProgram:
  """One program, compiled for the devices of its trainer.

  Attributes:
    name: `segment`, `evaluation` or `statistics`.
    form: how convolutions are written; see `nn.conv_backends`.
    device: the kind of device.
    devices: how many.
    seconds: of compilation.
    arguments: bytes on each device, as all that follow.
    results: bytes, donated ones included.
    donated: bytes of results that lie where arguments lay.
    temporaries: bytes.
    state_arrays: how many arrays a ticket's state has; all are donated.
    program: what was compiled, for all else.
  """

  name: str
  form: str
  device: str
  devices: int
  seconds: float
  arguments: int
  results: int
  donated: int
  temporaries: int
  state_arrays: int
  program: Program = dataclasses.field(repr=False)

  @property
  def memory(self) -> int:
    """Bytes that each device needs."""
    return self.arguments + self.results - self.donated + self.temporaries

  @property
  def step(self) -> Cost:
    """Of one step of all tickets of a device; of a segment only."""
    return self.program.step_cost

  def figures(self) -> dict[str, int]:
    """Bytes of memory; of a step, bytes moved and, if known, cycles."""
    found = {'memory': self.memory, 'bytes': self.step.bytes}
    if self.step.cycles:
      found['cycles'] = self.step.cycles
    return found

  @property
  def convolutions(self) -> Counter[str]:
    """How the compiler computes convolutions and products."""
    return self.program.convolutions()


def compile_for(
  trainer: Trainer,
  per_ticket: int = 1,
  names: tuple[str, ...] = PROGRAMS,
) -> dict[str, CompiledProgram]:
  """Compiles a trainer's programs for its devices, which may be described.

  Args:
    trainer: made for the devices.
    per_ticket: how many devices share a ticket.
    names: of the programs wanted.

  Returns:
    The programs by name.
  """
  network = trainer.architecture
  ticket = lottery.dense_ticket(network, **network.init(0))
  state = trainer.start(ticket, 0, keep=1)
  arrays = len(jax.tree.leaves(state))
  lowered = trainer.programs(per_ticket).lower(state, names)
  return {
    name: _compiled(name, one, trainer, arrays) for name, one in lowered.items()
  }


def _compiled(
  name: str, lowered: jax.stages.Lowered, trainer: Trainer, arrays: int
) -> CompiledProgram:
  began = time.perf_counter()
  compiled = lowered.compile(compiler_options=_options(trainer.devices))
  seconds = time.perf_counter() - began
  memory: Any = compiled.memory_analysis()
  return CompiledProgram(
    name=name,
    form=trainer.backend.name,
    device=trainer.devices[0].device_kind,
    devices=len(trainer.devices),
    seconds=seconds,
    arguments=memory.argument_size_in_bytes,
    results=memory.output_size_in_bytes,
    donated=memory.alias_size_in_bytes,
    temporaries=memory.temp_size_in_bytes,
    state_arrays=arrays,
    program=Program(compiled.as_text() or ''),
  )


def _options(devices) -> dict:
  platform = 'cuda' if devices[0].platform == 'gpu' else devices[0].platform
  return next(
    (one.options for one in TARGETS.values() if one.platform == platform), {}
  )
