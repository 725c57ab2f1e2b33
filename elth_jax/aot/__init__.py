"""Programs compiled ahead of time, for devices that need not be there.

`described_devices('v5e')` describes devices, a `Trainer` is made for them, and
`compile_for(trainer)` compiles its programs by their real compiler.
"""

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
