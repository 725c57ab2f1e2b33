// A convolution and the normalisation that follows it, in passes that they
// share: the sums that the normalisation needs are made with the outputs, and
// the gradient passes both by a part at a time, so that what the one makes is
// still in cache for the other, and is never written to memory.
#pragma once

#include "direct.h"
#include "norm.h"
#include "winograd.h"

namespace elth {

// Of the gradient between the two, which is made a part at a time.
constexpr size_t kPartBytes = 1 << 20;

// Winograd's windows cost more than they save with fewer channels than these.
constexpr int kFewChannels = 4;

// The side of Winograd's tiles, or 0 for direct sums.
inline int tile_of(const Shape& shape, int channels, int size, int stride) {
  if (size != 3 || stride != 1 || channels < kFewChannels) return 0;
  return winograd_tile(shape.height, shape.width);
}

inline int groups_at_once(const Shape& made) {
  const size_t some = kPartBytes / (made.group() * 4);
  return std::min(std::max(1, static_cast<int>(some)), made.groups);
}

// y, and the sums over it of w y and of w y y: (2, channels).
inline void forward_with_sums(const float* x, const float* kernel,
                              const float* valid, float* y, float* sums,
                              const Shape& shape, int out, int size,
                              int stride) {
  const Shape made = made_by(shape, out, stride);
  ChannelSums totals(valid, made);
  switch (tile_of(shape, shape.channels, size, stride)) {
    case 4:
      winograd_forward<4>(x, kernel, y, shape, out, false, &totals);
      return totals.write(sums);
    case 2:
      winograd_forward<2>(x, kernel, y, shape, out, false, &totals);
      return totals.write(sums);
  }
  const int some = groups_at_once(made);
  for (int g = 0; g < made.groups; g += some) {
    const int count = std::min(some, made.groups - g);
    direct_forward(x + g * shape.group(), kernel, y + g * made.group(),
                   shape.with_groups(count), out, size, stride);
    totals.add_all(y, g, count);
  }
  totals.write(sums);
}

// The gradients to both. `norm` makes the gradient to the convolution's output;
// that to its input, which is x, of this shape, goes to `dx` unless it is null,
// added to what is there if `add` says so.
struct JointGradient {
  const float *x, *kernel;
  NormInputGradient norm;
  float *dx, *dkernel;
  Shape shape;
  int size, stride;
  bool add;

  void run() const {
    const Shape& made = norm.of.shape;
    const int few = std::min(shape.channels, made.channels);
    switch (tile_of(shape, few, size, stride)) {
      case 4: return winograd<4>();
      case 2: return winograd<2>();
      default: direct();
    }
  }

 private:
  float* part(int groups) const {
    static thread_local Scratch parts;
    return parts.get(groups * norm.of.shape.group());
  }

  void direct() const {
    const Shape& made = norm.of.shape;
    const int some = groups_at_once(made), out = made.channels;
    float* dy = part(some);
    DirectKernelGradient sums(shape.channels, out, size, stride);
    for (int g = 0; g < made.groups; g += some) {
      const int count = std::min(some, made.groups - g);
      const Shape of = shape.with_groups(count);
      norm.write(g, count, 0, made.height, dy);
      if (dx != nullptr)
        direct_input_gradient(dy, kernel, dx + g * shape.group(), of, out, size,
                              stride, add);
      sums.add(x + g * shape.group(), of, dy);
    }
    sums.write(dkernel);
  }

  template <int M>
  void winograd() const {
    const Shape& made = norm.of.shape;
    const int in = shape.channels, out = made.channels;
    // what is smaller than the kernel goes through it at once
    const bool is_small =
        made.groups * made.group() <= static_cast<size_t>(9) * in * out;
    const int some = is_small ? made.groups : groups_at_once(made);
    const int all = Tiles(made, M).count;
    const int most = Tiles(made.with_groups(some), M).count;
    float* dy = part(some);
    WinogradKernelGradient<M> sums(in, out, most, all, dkernel);
    WinogradForward<M> inputs(kernel, out, in, true, most);
    for (int g = 0; g < made.groups; g += some)
      winograd_part(g, std::min(some, made.groups - g), dy, inputs, sums);
    sums.finish();
  }

  template <int M>
  void winograd_part(int group, int count, float* dy,
                     WinogradForward<M>& inputs,
                     WinogradKernelGradient<M>& sums) const {
    const Shape from = shape.with_groups(count);
    const Shape made = norm.of.shape.with_groups(count);
    const Tiles tiles(made, M);
    const size_t before = group * shape.group();
    const Then then = add ? Then::kAdd : Then::kStore;
    // a large image goes a few rows at a time
    const int step =
        count == 1 ? std::min(sums.columns(), tiles.count) : tiles.count;
    int rows = 0;  // of dy that are there
    for (int first = 0; first < tiles.count; first += step) {
      const int end = std::min(first + step, tiles.count);
      const int needed = tiles.rows_read(end, made.height);
      norm.write(group, count, rows, needed, dy);
      rows = needed;
      if (dx != nullptr)
        inputs.run(dy, made, {dx + before, from, then, nullptr}, tiles, first,
                   end);
      sums.add(x + before, from, dy, made, tiles, first, end);
    }
  }
};

}  // namespace elth
