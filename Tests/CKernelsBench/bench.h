#ifndef BENCH_H
#define BENCH_H
#include "adze_kernels.h"

enum { BENCH_ROUNDS = 9 };

/// CPU seconds of this thread, so that other processes take nothing from a kernel but cache and clock.
double bench_now(void);
/// Sorts `times`.
double bench_median(double times[BENCH_ROUNDS]);

/// A convolution layer of a well-known network; channels and filters of all groups.
typedef struct {
  const char *name;
  ptrdiff_t batch, channels, size, filters, kernel, stride, pad, groups;
} bench_layer;
extern const bench_layer bench_layers[];
extern const size_t bench_layer_count;

/// The same layers with 8-bit images and filters, on every instruction set.
void bench_convolutions_i8(const char *wanted);
/// The convolution layers whose label contains `wanted`.
void bench_convolutions(const char *wanted);
/// One product with its weights in every form, when `wanted` is a part of "products".
void bench_products(const char *wanted);
#endif
