"""Tickets from and for PyTorch: the files of open_lth and ElasticLTH.

Their runs write a state_dict of weights (`model_ep0_it1000.pth`) and a
dictionary of masks of the same names (`mask.pth`). Nothing in a file is
executed: `.pth` is read with `weights_only=True`, for which PyTorch must be
installed; `.safetensors` needs nothing more.
"""

import importlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from elth_jax.families import Architecture
from elth_jax.limits import check_argument
from elth_jax.masks import as_mask
from elth_jax.storage.files import local_path, write_atomically
from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import flatten, unflatten

Arrays = Mapping[str, np.ndarray]

_LEAVES = {
  'kernel': 'weight',
  'scale': 'weight',
  'bias': 'bias',
  'mean': 'running_mean',
  'var': 'running_var',
}
_WRAPPERS = ('module.', 'model.')  # DataParallel; open_lth around torchvision
_NESTED = ('model_state_dict', 'state_dict')


def load_ticket(
  network: Architecture, weights: Path | str, masks: Path | str | None = None
) -> Ticket:
  """Reads a published checkpoint and its masks.

  Args:
    network: what the weights belong to, e.g. `architecture('resnet20')`.
    weights: a state_dict, `.pth` or `.safetensors`; masked here if it is not.
    masks: a dictionary of 0 and 1 by weight; without, masks are those that the
      state_dict has, and layers that have none are dense.

  Raises:
    FileNotFoundError: if there is no such file.
    ImportError: if PyTorch is needed and missing.
    ValueError: naming the file, and the tensor that is missing, unexpected or
      of another shape.
  """
  state = read_arrays(weights)
  kept = None if masks is None else read_arrays(masks)
  try:
    return from_state_dict(network, state, kept)
  except ValueError as error:
    reason = str(error)
    if kept is not None and len(kept) > len(state):
      reason += '; are weights and masks swapped?'
    file = masks if reason.startswith('mask') else weights
    raise ValueError(f'{file}: {reason}') from None


def save_ticket(
  ticket: Ticket, weights: Path | str, masks: Path | str | None = None
) -> None:
  """Writes a ticket as the published code would; the inverse of `load_ticket`.

  Raises:
    ImportError: if a path does not end in `.safetensors` and PyTorch is
      missing.
  """
  state, kept = to_state_dict(ticket)
  write_arrays(weights, state)
  if masks is not None:
    write_arrays(masks, kept)


def from_state_dict(
  network: Architecture, state: Arrays, masks: Arrays | None = None
) -> Ticket:
  """The ticket that a state_dict and a mask dictionary describe.

  Args:
    network: what the weights belong to.
    state: PyTorch's names -> arrays, convolutions as OIHW. Names may be those
      of `torch.nn.utils.prune`, `weight_orig` and `weight_mask`.
    masks: 0 or 1 for each prunable weight; without, masks are those of
      `state`, and all weights are kept that have none there.

  Raises:
    TypeError: if `network` is no architecture.
    ValueError: naming a tensor that is missing, unexpected or misshapen, or if
      `masks` are given and `state` has its own.
  """
  check_argument(
    'network',
    network,
    Architecture,
    "architecture('resnet20') or the like",
  )
  state, own_masks = _without_pruning(_unwrapped(state))
  names = _names(network, state)
  shapes = flatten(network.shapes())
  counters = {n for n in state if n.endswith('.num_batches_tracked')}
  _check_names(set(names.values()), state.keys() - counters, 'weights')
  leaves = {
    leaf: _to_ours(name, state[name], shapes[leaf].shape).astype(np.float32)
    for leaf, name in names.items()
  }
  if masks is not None and own_masks:
    raise ValueError(
      f'masks are given, and the weights have their own ({min(own_masks)}_mask '
      'and others); leave out one of the two'
    )
  masks = None if masks is None else _unwrapped(masks)
  mask_names = _names(network, masks or state)
  prunable = {
    leaf: mask_names[f'params/{leaf}']
    for leaf in flatten(network.shapes()['params'])
    if network.family.prunable(leaf)
  }
  kept: dict[str, Any] = dict.fromkeys(
    leaf.removeprefix('params/') for leaf in names if leaf.startswith('params/')
  )
  if masks is not None:
    _check_names(set(prunable.values()), masks.keys(), 'masks')
  for leaf, name in prunable.items():
    shape = shapes[f'params/{leaf}'].shape
    kept[leaf] = np.ones(shape, bool)
    mask = own_masks.get(names[f'params/{leaf}'])
    if masks is not None:
      mask = masks[name]
    if mask is not None:
      kept[leaf] = as_mask(name, _to_ours(f'mask {name}', mask, shape))
  collections = unflatten(leaves)
  return Ticket.of(
    network,
    collections['params'],
    collections.get('batch_stats', {}),
    None if masks is None and not own_masks else unflatten(kept),
    provenance={'from': 'pytorch'},
  )


def to_state_dict(
  ticket: Ticket,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """A state_dict and a mask dictionary (int32) as numpy arrays."""
  network = Architecture.from_json(ticket.architecture)
  values = flatten({'params': ticket.params, 'batch_stats': ticket.batch_stats})
  names = _names(network)
  state = {name: _to_theirs(values[leaf]) for leaf, name in names.items()}
  for name in list(state):
    if name.endswith('.running_mean'):
      stem = name.removesuffix('running_mean')
      state[f'{stem}num_batches_tracked'] = np.zeros((), np.int64)
  masks = {
    names[f'params/{leaf}']: _to_theirs(mask).astype(np.int32)
    for leaf, mask in flatten(ticket.masks).items()
    if mask is not None
  }
  return state, masks


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
  """A dictionary of arrays from a `.pth` or `.safetensors` file.

  Raises:
    FileNotFoundError: if there is no such file.
    ImportError: if PyTorch is needed and missing.
    ValueError: naming the file, if it is damaged or holds anything else.
  """
  path = local_path(path, 'the PyTorch file')
  if not path.is_file():
    raise FileNotFoundError(f'no file at {path}')
  if path.suffix == '.safetensors':
    try:
      return safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
      raise ValueError(
        f'{path} is no sound safetensors file: {error}'
      ) from None
  torch = _torch(path)
  try:
    found = torch.load(path, map_location='cpu', weights_only=True)
  except Exception as error:  # damage makes PyTorch raise almost anything
    reason = (str(error) or type(error).__name__).splitlines()[0]
    raise ValueError(f'{path} is no file of plain tensors: {reason}') from None
  for key in _NESTED:
    if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
      found = found[key]
  if not isinstance(found, Mapping) or not all(
    isinstance(value, torch.Tensor) for value in found.values()
  ):
    raise ValueError(f'{path} holds no dictionary of tensors')
  return {
    str(name): _to_numpy(torch, f'{path}: {name}', value)
    for name, value in found.items()
  }


def write_arrays(path: Path | str, arrays: Arrays) -> None:
  """Writes a dictionary of arrays as `.safetensors`, or else as `.pth`."""
  plain = {  # np.ascontiguousarray would give a 0-d array an axis
    name: np.array(array, order='C') for name, array in arrays.items()
  }
  path = local_path(path, 'the PyTorch file')
  if path.suffix == '.safetensors':
    write_atomically(path, safetensors.numpy.save(plain, {'format': 'pt'}))
    return
  torch = _torch(path)
  content = io.BytesIO()
  torch.save({n: _to_torch(torch, a) for n, a in plain.items()}, content)
  write_atomically(path, content.getvalue())


def _to_numpy(torch: Any, what: str, tensor: Any) -> np.ndarray:
  """A tensor as an array; bfloat16, which numpy lacks, as float32.

  Raises:
    ValueError: naming the tensor, if it is sparse, quantised or the like.
  """
  try:
    tensor = tensor.detach()
    known = torch.float16, torch.float32, torch.float64
    if tensor.is_floating_point() and tensor.dtype not in known:
      tensor = tensor.to(torch.float32)  # exact
    return tensor.resolve_conj().resolve_neg().numpy()
  except (RuntimeError, TypeError) as error:
    reason = str(error).splitlines()[0]
    raise ValueError(f'{what} is no plain array: {reason}') from None


def _to_torch(torch: Any, array: np.ndarray) -> Any:
  if array.dtype.name == 'bfloat16':  # which PyTorch takes from no array
    return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
  return torch.from_numpy(array)


def _torch(path: Path | str) -> Any:
  try:
    return importlib.import_module('torch')
  except ImportError:
    raise ImportError(
      f'{path}: PyTorch is needed for this format; '
      "pip install 'elth_jax[torch]', or use .safetensors"
    ) from None


def _names(
  network: Architecture, found: Arrays | None = None
) -> dict[str, str]:
  """Our leaf (collection included) -> PyTorch's name.

  With arrays that were `found` in a file, the names that this library used to
  write are returned where these have them.
  """
  family = network.family
  if family.torch_name is None:
    raise ValueError(f'{family.name}: no PyTorch names are known')
  if network.input_shape[2] > 1 and family.name == 'mlp':
    raise ValueError(
      f'{network.name}: PyTorch flattens channels first, we last; only images '
      'of one channel can be read or written'
    )
  names = _named_by(family.torch_name, network)
  if found is None or family.older_torch_name is None:
    return names
  older = _named_by(family.older_torch_name, network)
  only_older = set(older.values()) - set(names.values())
  return older if only_older & found.keys() else names


def _named_by(
  torch_name: Callable[[str, Mapping[str, int]], str], network: Architecture
) -> dict[str, str]:
  names = {}
  for leaf in flatten(network.shapes()):
    _, _, inner = leaf.partition('/')
    layer, _, parameter = inner.rpartition('/')
    name = torch_name(layer, network.depths)
    names[leaf] = f'{name}.{_LEAVES[parameter]}'
  return names


def _unwrapped(arrays: Arrays) -> Arrays:
  for prefix in _WRAPPERS:
    if arrays and all(name.startswith(prefix) for name in arrays):
      arrays = {n.removeprefix(prefix): array for n, array in arrays.items()}
  return arrays


def _without_pruning(state: Arrays) -> tuple[Arrays, Arrays]:
  """Masked weights, and masks by their names, of `torch.nn.utils.prune`."""
  pruned = {n.removesuffix('_orig') for n in state if n.endswith('_orig')}
  masks = {n: state[f'{n}_mask'] for n in pruned if f'{n}_mask' in state}
  halves = {f'{name}{end}' for name in masks for end in ('_orig', '_mask')}
  weights = {n: array for n, array in state.items() if n not in halves}
  for name, mask in masks.items():  # biases, which have no mask here, as well
    weights[name] = np.where(mask != 0, state[f'{name}_orig'], 0)
  return weights, masks


def _check_names(expected: set[str], found: Any, what: str) -> None:
  missing, extra = sorted(expected - set(found)), sorted(set(found) - expected)
  if missing or extra:
    raise ValueError(
      f'{what}: missing {missing[:4] or "none"}, unexpected '
      f'{extra[:4] or "none"}; is this another network?'
    )


def _to_ours(name: str, array: np.ndarray, shape: tuple) -> np.ndarray:
  if array.ndim == 4:
    array = array.transpose(2, 3, 1, 0)
  elif array.ndim == 2:
    array = array.T
  if array.shape != shape:
    raise ValueError(f'{name}: shape {array.shape} (ours), not {shape}')
  return array


def _to_theirs(array: np.ndarray) -> np.ndarray:
  if array.ndim == 4:
    return array.transpose(3, 2, 0, 1)
  return array.T if array.ndim == 2 else array
