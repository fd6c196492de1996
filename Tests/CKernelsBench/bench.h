#ifndef BENCH_H
#define BENCH_H
#include "adze_kernels.h"

enum { BENCH_ROUNDS = 9 };

/// CPU seconds of this thread, so that other processes take nothing from a kernel but cache and clock.
double bench_now(void);
/// Sorts `times`.
double bench_median(double times[BENCH_ROUNDS]);

/// The convolution layers whose label contains `wanted`.
void bench_convolutions(const char *wanted);
/// One product with its weights in every form, when `wanted` is a part of "products".
void bench_products(const char *wanted);
#endif
