"""Programs compiled ahead of time, for devices that need not be there.

`Case('v5e', 'resnet20', tickets=8).compile()` compiles a published training by
the device's real compiler, and returns its memory, its cost and what became of
its convolutions. For anything else, make a `Trainer` for `described_devices`,
and give it to `compile_for`.
"""

from elth_jax.aot.cases import QUICK_CASES as QUICK_CASES
from elth_jax.aot.cases import SLOW_CASES as SLOW_CASES
from elth_jax.aot.cases import Case as Case
from elth_jax.aot.described import TARGETS as TARGETS
from elth_jax.aot.described import (
  MissingCompilerError as MissingCompilerError,
)
from elth_jax.aot.described import described_devices as described_devices
from elth_jax.aot.described import without_images as without_images
from elth_jax.aot.hlo import Cost as Cost
from elth_jax.aot.hlo import Program as Program
from elth_jax.aot.programs import CompiledProgram as CompiledProgram
from elth_jax.aot.programs import compile_for as compile_for
