// 3 x 3 convolutions of stride 1 by Winograd's minimal filtering.
//
// Some columns at a time are transformed, multiplied and transformed back, so
// that what is in between stays in cache.
#pragma once

#include "blocks.h"
#include "columns.h"

namespace elth {

// Columns that are worked on at once, by the cache that they take.
constexpr size_t kForwardBytes = 640 << 10, kGradientBytes = 640 << 10;
// Transformed kernels, or gradients to them, that are worked on at once where
// they are larger than the columns.
constexpr size_t kKernelBytes = 1200 << 10;

// Where windows and products lie: one place for all, so that it stays in cache
// when convolutions take turns.
inline Scratch& workspace() {
  static thread_local Scratch memory;
  return memory;
}

// Transformed kernels: [position][out / kLanes][in][lane], zero above `out`.
inline size_t kernel_gap(int in, int out) {
  return static_cast<size_t>(round_up(out, kLanes)) * in + 16;
}

// The channels, of a multiple of `unit`, for which transformed kernels of
// `bytes` each are worked on at once: all of them, or a few where all are more
// than fit a cache and more than the columns, as in wide layers of small images.
inline int channels_at_once(int channels, int unit, size_t bytes,
                            size_t columns_bytes) {
  const size_t all = channels * bytes;
  if (all <= kKernelBytes || all <= columns_bytes) return channels;
  const int some = static_cast<int>(kKernelBytes / bytes) / unit * unit;
  return std::min(channels, std::max(unit, some));
}

// Transforms outputs [first, end) of an HWIO kernel from `in` to `out`
// channels; first is a multiple of kLanes. Flipped, it is the kernel that takes
// gradients back: of shape (3, 3, out, in), turned around.
template <int M>
void transform_kernel(const float* kernel, int in, int out, bool flipped,
                      int first, int end, float* to) {
  constexpr int side = Winograd<M>::kSide;
  const size_t gap = kernel_gap(in, end - first);
  for (int o = first; o < end; o += kLanes)
    for (int c = 0; c < in; ++c) {
      const int count = std::min(kLanes, end - o);
      Vector half[side][3], column[3], row[side];
      for (int j = 0; j < 3; ++j) {
        for (int i = 0; i < 3; ++i) {
          const size_t place = i * 3 + j;
          if (!flipped) {
            column[i] = load(kernel + (place * in + c) * out + o, count);
            continue;
          }
          column[i] = Vector{};
          for (int l = 0; l < count; ++l)
            column[i][l] = kernel[((8 - place) * out + o + l) * in + c];
        }
        Winograd<M>::kernel(column, row);
        for (int i = 0; i < side; ++i) half[i][j] = row[i];
      }
      float* at = to + static_cast<size_t>(o - first) * in + c * kLanes;
      for (int i = 0; i < side; ++i) {
        Winograd<M>::kernel(half[i], row);
        for (int j = 0; j < side; ++j) store(at + (i * side + j) * gap, row[j]);
      }
    }
}

// m[columns][out] = sum over `in` of u[out][in] v[columns][in]. Never inlined:
// inside a caller GCC runs out of registers.
inline __attribute__((noinline)) void multiply(const float* u, const float* v,
                                               float* m, int in, int out,
                                               int columns) {
  for (int t = 0; t < columns; t += kColumns)
    for (int o = 0; o < out; o += kRows) {
      Vector sums[kRows][kColumns] = {};
      const float* a = u + static_cast<size_t>(o / kLanes * kLanes) * in +
                       o % kLanes;
      const float* b = v + place_of(in, 0, t);
      for (int c = 0; c < in; ++c, a += kLanes, b += kColumns * kLanes) {
        Vector x[kColumns];
        for (int k = 0; k < kColumns; ++k) {
          x[k] = load(b + k * kLanes);
          ELTH_PIN(x[k]);
        }
        for (int i = 0; i < kRows; ++i)
          for (int k = 0; k < kColumns; ++k)
            sums[i][k] += broadcast(a[i]) * x[k];
      }
      float* to = m + place_of(out, o, t);
      for (int i = 0; i < kRows; ++i)
        for (int k = 0; k < kColumns; ++k)
          store(to + (i * kColumns + k) * kLanes, sums[i][k]);
    }
}

// y = x convolved with an HWIO kernel of 3 x 3; flipped: the gradient to the
// input, where x is the gradient to the output.
//
// A thread has one at a time of each kind.
template <int M>
class WinogradForward {
 public:
  // `most`: columns that `run` is given at once.
  WinogradForward(const float* kernel, int in, int out, bool flipped, int most)
      : kernel_(kernel), in_(in), out_(out), flipped_(flipped) {
    static thread_local Scratch kernels;
    const size_t columns_bytes = static_cast<size_t>(kPositions) * in *
                                 round_up(most, kColumns) * kLanes * 4;
    at_once_ = channels_at_once(round_up(out, kLanes), kLanes,
                                static_cast<size_t>(kPositions) * in * 4,
                                columns_bytes);
    u_ = kernels.get(kPositions * kernel_gap(in, at_once_));
    if (!in_turn()) transform_kernel<M>(kernel, in, out, flipped, 0, out, u_);
  }

  // Makes columns [first, end) of the outputs; x is of this shape.
  void run(const float* x, const Shape& shape, const Outputs& outputs,
           const Tiles& tiles, int first, int end) {
    const int rows = round_up(std::min(out_, at_once_), kRows);
    const size_t each =
        static_cast<size_t>(kPositions) * (in_ + rows) * kLanes * 4;
    // wide layers read their kernels once for every few columns
    const int least = static_cast<size_t>(in_) * out_ >= 4096 ? 8 : 4;
    const int columns =
        in_turn() ? round_up(end - first, kColumns)
                  : columns_at_once(end - first, each, kForwardBytes, least);
    const size_t in_step = gap_of(in_, columns);
    const size_t out_step = gap_of(rows, columns);
    float* v = workspace().get(kPositions * (in_step + out_step));
    float* m = v + kPositions * in_step;
    const auto inverse =
        outputs.then == Then::kStore ? inverse_columns<M, Then::kStore>
        : outputs.then == Then::kSum ? inverse_columns<M, Then::kSum>
                                     : inverse_columns<M, Then::kAdd>;
    for (; first < end; first += columns) {
      const int count = std::min(columns, end - first);
      transform_columns<M, Of::kInput>(x, shape, tiles, first, count, columns,
                                       in_, in_step, v);
      for (int o = 0; o < out_; o += at_once_) {
        const int last = std::min(out_, o + at_once_);
        const int some = round_up(last - o, kRows);
        if (in_turn())
          transform_kernel<M>(kernel_, in_, out_, flipped_, o, last, u_);
        const size_t kernel_step = kernel_gap(in_, last - o);
        for (int p = 0; p < kPositions; ++p)
          multiply(u_ + p * kernel_step, v + p * in_step, m + p * out_step, in_,
                   some, columns);
        inverse(m, out_step, outputs, tiles, first, count, o, last, some);
      }
    }
  }

 private:
  static constexpr int kPositions = Winograd<M>::kSide * Winograd<M>::kSide;

  // Whether kernels are transformed just before they are used.
  bool in_turn() const { return at_once_ < out_; }

  const float* kernel_;
  int in_, out_;
  bool flipped_;
  int at_once_;
  float* u_;
};

// sums[in / 4][out / kColumns][4][kColumns] += products of v, from channel
// `begin` to `end` of `in`, and m, summed over columns and lanes.
inline __attribute__((noinline)) void multiply_and_sum(
    const float* v, const float* m, float* sums, int in, int begin, int end,
    int out, int columns) {
  for (int i = begin; i < end; i += kRows)
    for (int o = 0; o < out; o += kColumns) {
      Vector found[kRows * kColumns] = {};
      for (int first = 0; first < columns; first += kColumns) {
        const float* a = v + place_of(in, i, first);
        const float* b = m + place_of(out, o, first);
        for (int t = 0; t < kColumns; ++t, a += kLanes, b += kLanes)
          add_products(a, kColumns * kLanes, b, kColumns * kLanes, found);
      }
      add_sums(found, sums + static_cast<size_t>(i - begin) * out + o * kRows);
    }
}

// From sums at every position, of inputs from `begin` to `end`, to the gradient
// of an HWIO kernel.
template <int M>
void write_kernel_gradient(const float* sums, size_t gap, int in, int begin,
                           int end, int out, int columns, float* gradient) {
  constexpr int side = Winograd<M>::kSide;
  for (int i = begin; i < end; i += kRows)
    for (int o = 0; o < out; o += kColumns)
      for (int part = 0; part < kRows * kColumns; part += kLanes) {
        const float* from = sums + static_cast<size_t>(i - begin) * columns +
                            o * kRows + part;
        Vector half[3][side], column[side], made[3];
        for (int j = 0; j < side; ++j) {
          for (int k = 0; k < side; ++k)
            column[k] = load(from + (k * side + j) * gap);
          Winograd<M>::kernel_gradient(column, made);
          for (int k = 0; k < 3; ++k) half[k][j] = made[k];
        }
        for (int k = 0; k < 3; ++k) {
          Winograd<M>::kernel_gradient(half[k], made);
          for (int j = 0; j < 3; ++j)
            for (int l = 0; l < kLanes; ++l) {
              const int c = i + (part + l) / kColumns;
              const int f = o + (part + l) % kColumns;
              if (c < in && f < out)
                gradient[((k * 3 + j) * static_cast<size_t>(in) + c) * out +
                         f] = made[j][l];
            }
        }
      }
}

// The gradient to an HWIO kernel, from some columns at a time.
//
// A thread has one at a time.
template <int M>
class WinogradKernelGradient {
 public:
  // `most`: columns that `add` is given at once; `all` columns that there are.
  WinogradKernelGradient(int in, int out, int most, int all, float* gradient)
      : in_(in),
        out_(out),
        rows_(round_up(in, kRows)),
        places_(round_up(out, kColumns)),
        at_once_(rows_),
        gradient_(gradient) {
    static thread_local Scratch products;
    const size_t each =
        static_cast<size_t>(kPositions) * (rows_ + places_) * kLanes * 4;
    const size_t inputs_bytes = static_cast<size_t>(kPositions) * rows_ *
                                round_up(all, kColumns) * kLanes * 4;
    if (most == all)
      at_once_ = channels_at_once(
          rows_, kRows, static_cast<size_t>(kPositions) * places_ * 4,
          inputs_bytes);
    step_ = static_cast<size_t>(at_once_) * places_;
    // wide layers read their sums once for every few columns
    const int least = step_ >= 128 * 128 ? 16 : 8;
    columns_ = in_turn() ? round_up(all, kColumns)
                         : columns_at_once(most, each, kGradientBytes, least);
    in_step_ = gap_of(rows_, columns_), out_step_ = gap_of(places_, columns_);
    sums_ = products.get(kPositions * step_);
    if (!in_turn()) clear();
  }

  // How many columns are worked on at once.
  int columns() const { return columns_; }

  // Adds columns [first, end); x and dy, the gradient to the output, are of
  // these shapes.
  void add(const float* x, const Shape& shape, const float* dy,
           const Shape& made, const Tiles& tiles, int first, int end) {
    float* v = workspace().get(kPositions * (in_step_ + out_step_));
    float* m = v + kPositions * in_step_;
    // channels that only fill up a block
    if (rows_ != in_) memset(v, 0, kPositions * in_step_ * 4);
    if (places_ != out_) memset(m, 0, kPositions * out_step_ * 4);
    for (; first < end; first += columns_) {
      const int count = std::min(columns_, end - first);
      transform_columns<M, Of::kInput>(x, shape, tiles, first, count, columns_,
                                       rows_, in_step_, v);
      transform_columns<M, Of::kGradient>(dy, made, tiles, first, count,
                                          columns_, places_, out_step_, m);
      for (int i = 0; i < rows_; i += at_once_) {
        const int last = std::min(rows_, i + at_once_);
        if (in_turn()) clear();
        for (int p = 0; p < kPositions; ++p)
          multiply_and_sum(v + p * in_step_, m + p * out_step_,
                           sums_ + p * step_, rows_, i, last, places_,
                           round_up(count, kColumns));
        if (in_turn()) write(i, last);
      }
    }
  }

  // Writes the gradient, once all columns are added.
  void finish() const {
    if (!in_turn()) write(0, rows_);
  }

 private:
  static constexpr int kPositions = Winograd<M>::kSide * Winograd<M>::kSide;

  // Whether some inputs' gradients are finished before the next are begun.
  bool in_turn() const { return at_once_ < rows_; }

  void clear() const { memset(sums_, 0, kPositions * step_ * 4); }

  void write(int begin, int end) const {
    write_kernel_gradient<M>(sums_, step_, in_, begin, end, out_, places_,
                             gradient_);
  }

  int in_, out_, rows_, places_, at_once_;
  float* gradient_;
  int columns_;
  size_t step_, in_step_, out_step_;
  float* sums_;
};

// All columns at once; `sums`, of the outputs, may be null.
template <int M>
void winograd_forward(const float* x, const float* kernel, float* y,
                      const Shape& shape, int out, bool flipped,
                      ChannelSums* sums = nullptr) {
  const Tiles tiles(shape, M);
  const Shape made = shape.with_channels(out);
  const Then then = sums == nullptr ? Then::kStore : Then::kSum;
  WinogradForward<M>(kernel, shape.channels, out, flipped, tiles.count)
      .run(x, shape, {y, made, then, sums}, tiles, 0, tiles.count);
}

template <int M>
void winograd_kernel_gradient(const float* x, const float* dy, float* gradient,
                              const Shape& shape, int out) {
  const Tiles tiles(shape, M);
  WinogradKernelGradient<M> sum(shape.channels, out, tiles.count, tiles.count,
                                gradient);
  sum.add(x, shape, dy, shape.with_channels(out), tiles, 0, tiles.count);
  sum.finish();
}

}  // namespace elth
