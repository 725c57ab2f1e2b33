"""Writes image data sets as tensorflow-datasets prepares them."""

import io
import json
from pathlib import Path

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image
from tensorflow_datasets.proto import tf_example_generated_pb2 as proto

FEATURES = 'tensorflow_datasets.core.features'
SHARDS = 2


def jpeg(label: int, number: int, height: int = 90, width: int = 120) -> bytes:
  """A smooth image that its label and number determine."""
  draw = np.random.default_rng((label, number))
  few = draw.integers(0, 256, (4, 4, 3)).astype(np.uint8)
  few[..., label % 3] //= 4  # so that labels can be learned
  image = Image.fromarray(few).resize((width, height))
  file = io.BytesIO()
  image.save(file, 'JPEG', quality=90)
  return file.getvalue()


def write(
  root: Path, name: str, version: str, splits: dict[str, list[tuple]]
) -> Path:
  """A folder in the layout of ImageNet: images of any size, and labels.

  Args:
    root: of all data sets.
    name: of this one.
    version: likewise.
    splits: name -> (encoded image, label) of every example.
  """
  folder = root / name / version
  folder.mkdir(parents=True)
  described = []
  for split, examples in splits.items():
    parts = [examples[shard::SHARDS] for shard in range(SHARDS)]
    for shard, part in enumerate(parts):
      ending = f'array_record-{shard:05}-of-{SHARDS:05}'
      writer = ArrayRecordWriter(
        str(folder / f'{name}-{split}.{ending}'), 'group_size:1'
      )
      for image, label in part:
        writer.write(_record(image, label))
      writer.close()
    described.append(
      {
        'filepathTemplate': '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
        'name': split,
        'numBytes': '1',
        'shardLengths': [str(len(part)) for part in parts],
      }
    )
  info = {'fileFormat': 'array_record', 'name': name, 'version': version}
  info |= {'moduleName': 'x', 'description': '', 'splits': described}
  (folder / 'dataset_info.json').write_text(json.dumps(info))
  image = {'dtype': 'uint8', 'encodingFormat': 'jpeg'}
  image['shape'] = {'dimensions': ['-1', '-1', '3']}
  features = {
    'file_name': _feature('text_feature.Text', text={}),
    'image': _feature('image_feature.Image', image=image),
    'label': _feature(
      'class_label_feature.ClassLabel', classLabel={'numClasses': '1000'}
    ),
  }
  top = _feature(
    'features_dict.FeaturesDict', featuresDict={'features': features}
  )
  (folder / 'features.json').write_text(json.dumps(top))
  return folder


def _feature(kind: str, **about) -> dict:
  return {'pythonClassName': f'{FEATURES}.{kind}', **about}


def _record(image: bytes, label: int) -> bytes:
  example = proto.Example()
  features = example.features.feature
  features['image'].bytes_list.value.append(image)
  features['label'].int64_list.value.append(label)
  features['file_name'].bytes_list.value.append(b'some.jpg')
  return example.SerializeToString()
