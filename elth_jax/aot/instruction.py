"""One line of a compiled program's text, and what it says.

References:
  XLA's HLO text, as `jax.stages.Compiled.as_text` returns it.
"""

import dataclasses
import math
import re

BITS = {'pred': 8, 'c64': 64, 'c128': 128}  # by dtype; others say it in digits
ON_CHIP = 'S(1)'  # in a layout: a buffer that never leaves a TPU core
_INSTRUCTION = re.compile(r'^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$')
_OPCODE = re.compile(r'(?:^|[\s)}\]])([a-z][a-z0-9\-]*)\(')
_SHAPE = re.compile(r'\b([a-z]+\d*\w*)\[([\d,]*)\](\{[^{}]*\})?')


@dataclasses.dataclass(frozen=True)
class Instruction:
  """One line of a computation.

  Attributes:
    name: unique in the program.
    opcode: what it does: `fusion`, `while`, ...
    shape: of its result, as written.
    operands: names of the instructions that it reads.
    rest: the line after its operands.
  """

  name: str
  opcode: str
  shape: str
  operands: tuple[str, ...]
  rest: str

  def called(self, *roles: str) -> list[str]:
    """Names of the computations that it calls in some roles."""
    found = []
    for role in roles:
      for several, one in re.findall(
        rf'\b{role}=(?:\{{([^}}]*)\}}|%?([\w.\-]+))', self.rest
      ):
        found += re.findall(r'[\w.\-]+', several or one)
    return found


def read_instruction(line: str) -> Instruction | None:
  found = _INSTRUCTION.match(line)
  if not found:
    return None
  name, text = found.groups()
  text = re.sub(r'/\*.*?\*/', '', text)
  opcode = _OPCODE.search(text)
  if not opcode:
    return None
  depth, end = 1, opcode.end()
  while depth and end < len(text):
    depth += {'(': 1, ')': -1}.get(text[end], 0)
    end += 1
  inner, rest = text[opcode.end() : end - 1], text[end:]
  if opcode[1] in ('constant', 'parameter'):  # a value, a place
    rest = inner
  return Instruction(
    name,
    opcode[1],
    text[: opcode.start(1)],
    tuple(re.findall(r'%([\w.\-]+)', inner)),
    rest,
  )


def bytes_of(shape: str) -> int:
  """Of arrays in a device's memory."""
  return sum(
    math.prod(int(n) for n in sizes.split(',') if n) * _bits(dtype) // 8
    for dtype, sizes, layout in _SHAPE.findall(shape)
    if ON_CHIP not in layout
  )


def _bits(dtype: str) -> int:
  digits = re.match(r'[a-z]+(\d+)', dtype)
  return BITS.get(dtype) or (int(digits[1]) if digits else 0)


def target_of(one: Instruction) -> str:
  found = re.search(r'custom_call_target="([^"]+)"', one.rest)
  return found[1] if found else ''


def product_kind(one: Instruction) -> str:
  """How an instruction computes a convolution or product; '' if it does not."""
  groups = re.search(r'feature_group_count=(\d+)', one.rest)
  batches = re.search(r'batch_group_count=(\d+)', one.rest)
  count = max(int(found[1]) if found else 1 for found in (groups, batches))
  many = f', {count} groups' if count > 1 else ''
  if one.opcode in ('convolution', 'dot'):
    return one.opcode + many
  if one.opcode == 'fusion' and '"__triton' in one.rest:
    return 'triton' if 'gemm' in one.rest else ''
  target = target_of(one)
  return target.lstrip('_') + many if re.search('cudnn|cublas', target) else ''
