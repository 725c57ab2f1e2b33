// Convolutions of any odd size and stride, as sums over the kernel's places.
//
// A few rows at a time are copied with their zero margins, for one block of
// lanes: [channel][row][column][lane].
#pragma once

#include <vector>

#include "blocks.h"

namespace elth {

constexpr size_t kCopiedBytes = 256 << 10;

// The kernel's place `place`, and where it reads relative to an output.
struct Tap {
  int row, column, place;
};

// The outputs of a convolution with margins of (size - 1) / 2.
inline int outputs_of(int inputs, int stride) {
  return (inputs - 1) / stride + 1;
}

inline Shape made_by(const Shape& shape, int out, int stride) {
  return {shape.groups, out, outputs_of(shape.height, stride),
          outputs_of(shape.width, stride), shape.examples};
}

// Rows of outputs whose `reads` rows of inputs each fit the budget.
inline int rows_at_once(int most, int reads, size_t row_bytes) {
  const int some = static_cast<int>(kCopiedBytes / (row_bytes * reads));
  return std::max(1, std::min(most, some));
}

// Rows [first, first + rows) and columns [left, left + columns) of all
// channels, for one group and block of lanes; zeros outside the image and for
// channels up to `channels`.
inline void copy_rows(const float* x, const Shape& shape, int group, int block,
                      int first, int rows, int left, int columns, int channels,
                      float* to) {
  const int lanes = shape.lanes(block);
  const int begin = std::min(std::max(0, -left), columns);
  const int end = std::max(begin, std::min(columns, shape.width - left));
  for (int c = 0; c < channels; ++c)
    for (int r = 0; r < rows; ++r, to += static_cast<size_t>(columns) * kLanes) {
      const int h = first + r;
      if (h < 0 || h >= shape.height || c >= shape.channels) {
        memset(to, 0, static_cast<size_t>(columns) * kLanes * 4);
        continue;
      }
      const float* from = x + group * shape.group() + c * shape.plane() +
                          h * shape.row() + block * kLanes;
      for (int w = 0; w < begin; ++w) store(to + w * kLanes, Vector{});
      for (int w = begin; w < end; ++w)
        store(to + w * kLanes,
              load(from + static_cast<size_t>(w + left) * shape.examples,
                   lanes));
      for (int w = end; w < columns; ++w) store(to + w * kLanes, Vector{});
    }
}

// kRows channels times kColumns pixels, `step` floats apart: sums over `in`
// channels and taps. Weights are [in][tap][kRows].
inline __attribute__((noinline)) void sum_taps(
    const float* from, int in, size_t plane, const std::ptrdiff_t* offsets,
    int taps, const float* weights, size_t step, Vector* out) {
  Vector sums[kRows][kColumns];  // GCC would clear it by a slow memset
  for (int i = 0; i < kRows; ++i)
    for (int k = 0; k < kColumns; ++k) sums[i][k] = Vector{};
  for (int c = 0; c < in; ++c, from += plane)
    for (int t = 0; t < taps; ++t, weights += kRows) {
      const float* at = from + offsets[t];
      Vector x[kColumns];
      for (int k = 0; k < kColumns; ++k) {
        x[k] = load(at + k * step);
        ELTH_PIN(x[k]);
      }
      for (int i = 0; i < kRows; ++i)
        for (int k = 0; k < kColumns; ++k)
          sums[i][k] += broadcast(weights[i]) * x[k];
    }
  for (int i = 0; i < kRows; ++i)
    for (int k = 0; k < kColumns; ++k) out[i * kColumns + k] = sums[i][k];
}

// Weights of some taps: [out / kRows][in][tap][kRows], zero above `out`; of a
// kernel whose entry (place, in, out) is at place * in * out + in * in_step +
// out * out_step.
inline void pack(const float* kernel, int in, size_t in_step, int out,
                 size_t out_step, const std::vector<Tap>& taps, float* to) {
  const size_t size = static_cast<size_t>(in) * out;
  for (int first = 0; first < out; first += kRows)
    for (int c = 0; c < in; ++c)
      for (const Tap& tap : taps)
        for (int o = first; o < first + kRows; ++o)
          *to++ = o < out ? kernel[tap.place * size + c * in_step +
                                   o * out_step]
                          : 0.f;
}

// Where sums over taps are written: pixel (row + i * stride, column + j *
// stride) of `shape`, for one group and block of lanes.
struct Target {
  float* y;
  Shape shape;
  int group, block, row, column, stride;
  bool add;  // to what is there
};

// Sums over taps for `rows` times `columns` pixels, from a copy whose planes
// have `copied_rows` rows of `copied_columns`.
inline void sum_rows(const float* copy, int in, int copied_rows,
                     int copied_columns, const std::vector<Tap>& taps,
                     const float* weights, int stride, const Target& target,
                     int rows, int columns) {
  const Shape& shape = target.shape;
  const int lanes = shape.lanes(target.block), count = taps.size();
  const size_t plane =
      static_cast<size_t>(copied_rows) * copied_columns * kLanes;
  std::vector<std::ptrdiff_t> offsets;
  for (const Tap& tap : taps)
    offsets.push_back(
        (static_cast<std::ptrdiff_t>(tap.row) * copied_columns + tap.column) *
        kLanes);
  for (int h = 0; h < rows; ++h)
    for (int o = 0; o < shape.channels; o += kRows)
      for (int w = 0; w < columns; w += kColumns) {
        Vector sums[kRows * kColumns];
        const size_t at =
            (static_cast<size_t>(stride) * h * copied_columns + stride * w) *
            kLanes;
        sum_taps(copy + at, in, plane, offsets.data(), count,
                 weights + static_cast<size_t>(o) * in * count,
                 static_cast<size_t>(stride) * kLanes, sums);
        for (int i = 0; i < kRows && o + i < shape.channels; ++i) {
          float* to = target.y + target.group * shape.group() +
                      (o + i) * shape.plane() +
                      (target.row + h * target.stride) * shape.row() +
                      target.block * kLanes;
          for (int k = 0; k < kColumns && w + k < columns; ++k) {
            const size_t pixel = target.column + (w + k) * target.stride;
            float* place = to + pixel * shape.examples;
            Vector sum = sums[i * kColumns + k];
            if (target.add) sum += load(place, lanes);
            store(place, sum, lanes);
          }
        }
      }
}

inline std::vector<Tap> all_taps(int size) {
  std::vector<Tap> taps;
  for (int i = 0; i < size; ++i)
    for (int j = 0; j < size; ++j) taps.push_back({i, j, i * size + j});
  return taps;
}

// y = x convolved with an HWIO kernel.
inline void direct_forward(const float* x, const float* kernel, float* y,
                           const Shape& shape, int out, int size, int stride) {
  static thread_local Scratch packed, copied;
  const int in = shape.channels, margin = (size - 1) / 2;
  const auto taps = all_taps(size);
  float* weights = packed.get(taps.size() * in * round_up(out, kRows));
  pack(kernel, in, out, out, 1, taps, weights);
  const Shape made = made_by(shape, out, stride);
  // the last block of columns is computed whole
  const int wide = stride * (round_up(made.width, kColumns) - 1) + size;
  const size_t row_bytes = static_cast<size_t>(in) * wide * kLanes * 4;
  const int some = rows_at_once(made.height, stride, row_bytes);
  const int high = stride * (some - 1) + size;
  float* copy = copied.get(static_cast<size_t>(in) * high * wide * kLanes);
  for (int g = 0; g < shape.groups; ++g)
    for (int b = 0; b < shape.blocks(); ++b)
      for (int h = 0; h < made.height; h += some) {
        copy_rows(x, shape, g, b, h * stride - margin, high, -margin, wide, in,
                  copy);
        sum_rows(copy, in, high, wide, taps, weights, stride,
                 {y, made, g, b, h, 0, 1, false}, std::min(some, made.height - h),
                 made.width);
      }
}

// The gradient to the input of shape `shape`, perhaps added to what is there;
// dy: to the output.
//
// The pixels whose row and column leave the same rests by the stride read the
// same taps: each such phase is a convolution of dy of stride 1.
inline void direct_input_gradient(const float* dy, const float* kernel,
                                  float* dx, const Shape& shape, int out,
                                  int size, int stride, bool add = false) {
  static thread_local Scratch packed, copied;
  const int in = shape.channels, margin = (size - 1) / 2;
  const Shape made = made_by(shape, out, stride);
  // how far a phase reads before and behind its own place
  const int before = (size - 1 - margin + stride - 1) / stride;
  const int behind = (stride - 1 + margin) / stride;
  struct Phase {
    int row, column;
    std::vector<Tap> taps;
    size_t weights;
  };
  std::vector<Phase> phases;
  const int rows = round_up(in, kRows);
  float* weights =
      packed.get(static_cast<size_t>(size) * size * out * rows + kRows);
  size_t used = 0;
  for (int a = 0; a < std::min(stride, shape.height); ++a)
    for (int b = 0; b < std::min(stride, shape.width); ++b) {
      Phase phase{a, b, {}, used};
      for (const Tap& tap : all_taps(size)) {
        const int i = a + margin - tap.row, j = b + margin - tap.column;
        if (i % stride == 0 && j % stride == 0)
          phase.taps.push_back(
              {i / stride + before, j / stride + before, tap.place});
      }
      pack(kernel, out, 1, in, out, phase.taps, weights + used);
      used += phase.taps.size() * out * rows;
      phases.push_back(phase);
    }
  const int high = outputs_of(shape.height, stride);
  const int wide = round_up(outputs_of(shape.width, stride), kColumns) +
                   before + behind;
  const size_t row_bytes = static_cast<size_t>(out) * wide * kLanes * 4;
  const int some = rows_at_once(high, 1, row_bytes);
  const int read = some + before + behind;
  float* copy = copied.get(static_cast<size_t>(out) * read * wide * kLanes);
  for (int g = 0; g < shape.groups; ++g)
    for (int b = 0; b < shape.blocks(); ++b)
      for (int h = 0; h < high; h += some) {
        copy_rows(dy, made, g, b, h - before, read, -before, wide, out, copy);
        for (const Phase& phase : phases) {
          const int left = outputs_of(shape.height - phase.row, stride) - h;
          sum_rows(copy, out, read, wide, phase.taps, weights + phase.weights,
                   1,
                   {dx, shape, g, b, phase.row + h * stride, phase.column,
                    stride, add},
                   std::min(some, left),
                   outputs_of(shape.width - phase.column, stride));
        }
      }
}

// sums[kRows][kColumns] += products of x and dy over some pixels and lanes.
inline __attribute__((noinline)) void sum_pixels(
    const float* x, size_t x_plane, size_t x_row, size_t x_step,
    const float* dy, size_t dy_plane, int rows, int columns, float* sums) {
  Vector found[kRows * kColumns];
  for (Vector& sum : found) sum = Vector{};
  for (int h = 0; h < rows; ++h, x += x_row) {
    const float* at = x;
    for (int w = 0; w < columns; ++w, at += x_step, dy += kLanes)
      add_products(at, x_plane, dy, dy_plane, found);
  }
  add_sums(found, sums);
}

// The gradient to an HWIO kernel, from some groups at a time.
//
// A thread has one at a time.
class DirectKernelGradient {
 public:
  DirectKernelGradient(int in, int out, int size, int stride)
      : in_(in),
        out_(out),
        size_(size),
        stride_(stride),
        rows_(round_up(in, kRows)),
        places_(round_up(out, kColumns)) {
    static thread_local Scratch products;
    block_ = static_cast<size_t>(rows_) * places_;
    sums_ = products.get_zeros(size * size * block_);
  }

  // Adds all of x, of this shape; dy: the gradient to the output.
  void add(const float* x, const Shape& shape, const float* dy) {
    static thread_local Scratch inputs, gradients;
    const int margin = (size_ - 1) / 2;
    const Shape made = made_by(shape, out_, stride_);
    const int wide = stride_ * (made.width - 1) + size_;
    const size_t row_bytes =
        (static_cast<size_t>(rows_) * wide * stride_ +
         static_cast<size_t>(places_) * made.width) * kLanes * 4;
    const int some = rows_at_once(made.height, 1, row_bytes);
    const int high = stride_ * (some - 1) + size_;
    float* copied_x =
        inputs.get(static_cast<size_t>(rows_) * high * wide * kLanes);
    float* copied_dy =
        gradients.get(static_cast<size_t>(places_) * some * made.width * kLanes);
    for (int g = 0; g < shape.groups; ++g)
      for (int b = 0; b < shape.blocks(); ++b)
        for (int h = 0; h < made.height; h += some) {
          copy_rows(x, shape, g, b, h * stride_ - margin, high, -margin, wide,
                    rows_, copied_x);
          copy_rows(dy, made, g, b, h, some, 0, made.width, places_, copied_dy);
          add_rows(copied_x, high, wide, copied_dy, some, made.width,
                   std::min(some, made.height - h));
        }
  }

  void write(float* gradient) const {
    for (int t = 0; t < size_ * size_; ++t)
      for (int c = 0; c < in_; ++c)
        for (int o = 0; o < out_; ++o)
          gradient[(static_cast<size_t>(t) * in_ + c) * out_ + o] =
              sums_[t * block_ +
                    static_cast<size_t>(c / kRows * kRows) * places_ +
                    o / kColumns * kColumns * kRows + c % kRows * kColumns +
                    o % kColumns];
  }

 private:
  // Adds `rows` rows of outputs, from copies of both.
  void add_rows(const float* x, int high, int wide, const float* dy, int some,
                int width, int rows) {
    const size_t x_plane = static_cast<size_t>(high) * wide * kLanes;
    const size_t dy_plane = static_cast<size_t>(some) * width * kLanes;
    for (int t = 0; t < size_ * size_; ++t) {
      const size_t place =
          (static_cast<size_t>(t / size_) * wide + t % size_) * kLanes;
      for (int i = 0; i < rows_; i += kRows)
        for (int o = 0; o < places_; o += kColumns)
          sum_pixels(x + i * x_plane + place, x_plane,
                     static_cast<size_t>(stride_) * wide * kLanes,
                     static_cast<size_t>(stride_) * kLanes, dy + o * dy_plane,
                     dy_plane, rows, width,
                     sums_ + t * block_ + static_cast<size_t>(i) * places_ +
                         o * kRows);
    }
  }

  int in_, out_, size_, stride_, rows_, places_;
  size_t block_;
  float* sums_;
};

}  // namespace elth
