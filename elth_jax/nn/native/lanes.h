// Vectors whose lanes are examples, and scratch memory that a thread keeps.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#if defined(__AVX512F__)
#define ELTH_LANES 16
#elif defined(__AVX2__)
#define ELTH_LANES 8
#else
#define ELTH_LANES 4
#endif

// Keeps a loaded vector in a register. Without it GCC loads it again in every
// multiply-add, and the loads then limit the speed.
#if defined(__AVX512F__)
#define ELTH_PIN(v) asm("" : "+v"(v))
#elif defined(__x86_64__)
#define ELTH_PIN(v) asm("" : "+x"(v))
#elif defined(__aarch64__)
#define ELTH_PIN(v) asm("" : "+w"(v))
#else
#define ELTH_PIN(v)
#endif

namespace elth {

constexpr int kLanes = ELTH_LANES;
// A register block is kRows numbers times kColumns vectors: its sums, the
// vectors and one number fit the registers (32 of AVX-512, else 16).
constexpr int kRows = 4;
constexpr int kColumns = kLanes == 16 ? 4 : 2;

typedef float Vector __attribute__((vector_size(4 * ELTH_LANES)));
typedef int Integers __attribute__((vector_size(4 * ELTH_LANES)));
typedef float InMemory
    __attribute__((vector_size(4 * ELTH_LANES), aligned(4), may_alias));

inline Vector load(const float* p) {
  return *reinterpret_cast<const InMemory*>(p);
}

inline void store(float* p, Vector v) {
  *reinterpret_cast<InMemory*>(p) = v;
}

inline Vector broadcast(float number) { return number - Vector{}; }

// The first `count` lanes; the others are zero, and are not touched.
inline Vector load(const float* p, int count) {
  if (count == kLanes) return load(p);
  Vector v = {};
  for (int i = 0; i < count; ++i) v[i] = p[i];
  return v;
}

inline void store(float* p, Vector v, int count) {
  if (count == kLanes) return store(p, v);
  for (int i = 0; i < count; ++i) p[i] = v[i];
}

inline float sum_of_lanes(Vector v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

constexpr int source_lane(int half, bool upper, int lane) {
  const int block = lane / (2 * half) * 2 * half, place = lane % (2 * half);
  const int from = block + (upper ? half : 0);
  return place < half ? from + place : kLanes + from + place - half;
}

// In every block of 2 HALF lanes: the lower (or upper) half of a, then of b.
template <int HALF, bool UPPER, size_t... I>
inline Vector halves(Vector a, Vector b, std::index_sequence<I...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, source_lane(HALF, UPPER, I)...);
#else
  return __builtin_shuffle(a, b, Integers{source_lane(HALF, UPPER, I)...});
#endif
}

// Lane i of the result is the sum over the lanes of v[i]; v is overwritten.
template <int HALF = kLanes / 2>
inline Vector sums_of_lanes(Vector* v) {
  constexpr auto lanes = std::make_index_sequence<kLanes>();
  for (int i = 0; i < HALF; ++i)
    v[i] = halves<HALF, false>(v[i], v[i + HALF], lanes) +
           halves<HALF, true>(v[i], v[i + HALF], lanes);
  if constexpr (HALF > 1) sums_of_lanes<HALF / 2>(v);
  return v[0];
}

inline int round_up(int number, int unit) {
  return (number + unit - 1) / unit * unit;
}

constexpr size_t kHugePage = 1 << 21;

// Memory for one purpose of one thread. It only grows, so that calls do not
// pay for fresh pages, and is of huge pages, since windows touch many pages.
class Scratch {
 public:
  float* get(size_t floats) {
    if (floats > size_) {
      free(data_);
      size_ = floats;
      const size_t page = kHugePage, bytes = (floats * 4 + page - 1) / page * page;
      data_ = static_cast<float*>(aligned_alloc(page, bytes));
      if (data_ == nullptr) abort();
      madvise(data_, bytes, MADV_HUGEPAGE);  // where there are any
    }
    return data_;
  }
  float* get_zeros(size_t floats) {
    float* data = get(floats);
    memset(data, 0, floats * 4);
    return data;
  }
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  ~Scratch() { free(data_); }

 private:
  float* data_ = nullptr;
  size_t size_ = 0;
};

// Activations (groups, channels, height, width, examples).
struct Shape {
  int groups, channels, height, width, examples;

  size_t row() const { return static_cast<size_t>(width) * examples; }
  size_t plane() const { return height * row(); }
  size_t group() const { return channels * plane(); }
  // Vectors that hold the examples of a pixel; the last one may be part full.
  int blocks() const { return (examples + kLanes - 1) / kLanes; }
  int lanes(int block) const {
    return std::min(kLanes, examples - block * kLanes);
  }
  Shape with_channels(int count) const {
    return {groups, count, height, width, examples};
  }
  Shape with_groups(int count) const {
    return {count, channels, height, width, examples};
  }
};

}  // namespace elth
