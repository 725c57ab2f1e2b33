// The tiles of all groups and of all blocks of lanes, as columns of a matrix.
#pragma once

#include <vector>

#include "sums.h"
#include "windows.h"

namespace elth {

// Where each column's tile lies.
class Tiles {
 public:
  Tiles(const Shape& shape, int m)
      : side_(m),
        rows_((shape.height + m - 1) / m),
        columns_((shape.width + m - 1) / m),
        blocks_(shape.blocks()),
        count(shape.groups * blocks_ * rows_ * columns_) {}

  struct Place {
    int group, block, row, column;
  };
  Place at(int number) const {
    Place p;
    p.column = number % columns_, number /= columns_;
    p.row = number % rows_, number /= rows_;
    p.block = number % blocks_, p.group = number / blocks_;
    return p;
  }

  // How many rows of all groups the windows of columns [0, end) reach; all
  // rows where columns go through several groups or blocks.
  int rows_read(int end, int height) const {
    if (count != rows_ * columns_) return height;
    return std::min(height, (end - 1) / columns_ * side_ + side_ + 1);
  }

 private:
  int side_, rows_, columns_, blocks_;

 public:
  int count;
};

// Columns at once: of a multiple of kColumns, within a budget of bytes.
inline int columns_at_once(int count, size_t bytes_each, size_t budget,
                           int least) {
  const int some = static_cast<int>(budget / bytes_each) / kColumns * kColumns;
  return std::min(std::max(some, round_up(least, kColumns)),
                  round_up(count, kColumns));
}

// Some columns of one position: [column / kColumns][channel][kColumns][lane].
inline size_t place_of(int channels, int channel, int column) {
  const size_t block = static_cast<size_t>(column / kColumns) * channels;
  return ((block + channel) * kColumns + column % kColumns) * kLanes;
}

// Positions are a line apart from multiples of a page, which would share sets
// of the cache.
inline size_t gap_of(int channels, int columns) {
  return static_cast<size_t>(channels) * columns * kLanes + 16;
}

// Columns [first, first + count) of x, transformed, for each position as
// `place_of` says. Columns up to `columns` are zero.
template <int M, Of OF>
void transform_columns(const float* x, const Shape& shape, const Tiles& tiles,
                       int first, int count, int columns, int channels,
                       size_t gap, float* out) {
  constexpr int side = Winograd<M>::kSide, window = kWindow<M, OF>;
  constexpr int margin = OF == Of::kInput ? 1 : 0;
  const size_t pixel = shape.examples, row = shape.row(), plane = shape.plane();
  struct Where {
    std::ptrdiff_t start;
    int top, bottom, left, right, lanes;
  };
  static thread_local std::vector<Where> places;
  static thread_local std::vector<float> zeros;
  places.resize(count);
  zeros.resize(std::max(zeros.size(), window * pixel + kLanes));
  for (int t = 0; t < count; ++t) {
    const auto p = tiles.at(first + t);
    const std::ptrdiff_t y = p.row * M - margin, x0 = p.column * M - margin;
    places[t] = {
        static_cast<std::ptrdiff_t>(p.group * shape.group()) +
            p.block * kLanes + y * static_cast<std::ptrdiff_t>(row) +
            x0 * static_cast<std::ptrdiff_t>(pixel),
        static_cast<int>(std::max<std::ptrdiff_t>(0, -y)),
        static_cast<int>(std::min<std::ptrdiff_t>(window, shape.height - y)),
        static_cast<int>(std::max<std::ptrdiff_t>(0, -x0)),
        static_cast<int>(std::min<std::ptrdiff_t>(window, shape.width - x0)),
        shape.lanes(p.block)};
  }
  // channels in the outer loop: the tiles of one channel are neighbours
  for (int c = 0; c < shape.channels; ++c) {
    for (int t = 0; t < count; ++t) {
      const Where& at = places[t];
      const float* rows[window];
      const float* from =
          x + (at.start + static_cast<std::ptrdiff_t>(c * plane));
      float* to = out + place_of(channels, c, t);
      for (int i = 0; i < window; ++i)
        rows[i] = i >= at.top && i < at.bottom ? from + i * row : zeros.data();
      const bool full = at.lanes == kLanes;
      const bool left = at.left == 0, right = at.right == window;
      if (full && left && right) {
        transform_window<M, OF, 0, window>(rows, pixel, gap, to);
      } else if (OF == Of::kInput && full && at.left == 1 && right) {
        transform_window<M, OF, 1, window>(rows, pixel, gap, to);
      } else if (OF == Of::kInput && full && left && at.right == window - 1) {
        transform_window<M, OF, 0, window - 1>(rows, pixel, gap, to);
      } else {  // any other: from a copy
        float copy[window * window * kLanes];
        for (int i = 0; i < window; ++i) {
          for (int j = 0; j < window; ++j) {
            const bool inside = j >= at.left && j < at.right;
            store(copy + (i * window + j) * kLanes,
                  inside ? load(rows[i] + j * pixel, at.lanes) : Vector{});
          }
          rows[i] = copy + i * window * kLanes;
        }
        transform_window<M, OF, 0, window>(rows, kLanes, gap, to);
      }
    }
    for (int t = count; t < columns; ++t)
      for (int p = 0; p < side * side; ++p)
        store(out + p * gap + place_of(channels, c, t), Vector{});
  }
}

// What is done with outputs: they are stored, and their sums are taken too, or
// they are added to what is there.
enum class Then { kStore, kSum, kAdd };

struct Outputs {
  float* y;
  const Shape& shape;
  Then then;
  ChannelSums* sums;  // where they are taken
};

// The inverse transform of one tile of `channel`; p says where.
template <int M, Then THEN>
inline void inverse_tile(const float* in, size_t gap, const Outputs& outputs,
                         const Tiles::Place& p, int channel) {
  const Shape& shape = outputs.shape;
  const size_t pixel = shape.examples, row = shape.row();
  float* to = outputs.y + p.group * shape.group() + channel * shape.plane() +
              p.block * kLanes + p.row * M * row + p.column * M * pixel;
  const int height = std::min(M, shape.height - p.row * M);
  const int width = std::min(M, shape.width - p.column * M);
  Vector total = {}, squares = {};
  auto put = [&](float* at, Vector v, int lanes) {
    if (THEN == Then::kAdd) v += load(at, lanes);
    if (THEN == Then::kSum) total += v, squares += v * v;
    store(at, v, lanes);
  };
  const int lanes = shape.lanes(p.block);
  if (height == M && width == M && lanes == kLanes)
    inverse_window<M>(in, gap, [&](int i, const Vector* v) {
      for (int j = 0; j < M; ++j) put(to + i * row + j * pixel, v[j], kLanes);
    });
  else
    inverse_window<M>(in, gap, [&](int i, const Vector* v) {
      for (int j = 0; i < height && j < width; ++j)
        put(to + i * row + j * pixel, v[j], lanes);
    });
  if (THEN == Then::kSum)
    outputs.sums->add(channel, p.group, p.block, total, squares);
}

// The inverse transform of some columns, for channels [begin, end) of the
// outputs, which are the first of `channels` in memory.
template <int M, Then THEN>
void inverse_columns(const float* in, size_t gap, const Outputs& outputs,
                     const Tiles& tiles, int first, int count, int begin,
                     int end, int channels) {
  for (int c = begin; c < end; ++c)
    for (int t = 0; t < count; ++t)
      inverse_tile<M, THEN>(in + place_of(channels, c - begin, t), gap, outputs,
                            tiles.at(first + t), c);
}

}  // namespace elth
