// One layer with its own memory, for compare_conv2d.py: made once, run many times, every run timed.
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
  adze_conv2d_f32 conv;
  adze_conv2d_plan plan;
  float *packed, *scratch;
} session;

/// `sizes`: batch, channels, size, filters, kernel, stride, pad, groups. Null when the algorithm does not take the layer.
session *session_make(
  int isa, int algorithm, const int sizes[8], bool is_nchw, const float *x, const float *weights, const float *bias,
  float *y) {
  const adze_kernels *k = adze_kernels_for((adze_isa)isa);
  session *s = calloc(1, sizeof *s);
  if (!k || !s) abort();
  const ptrdiff_t channels = sizes[1], size = sizes[2], kernel = sizes[4], stride = sizes[5], pad = sizes[6];
  const ptrdiff_t groups = sizes[7], output = (size + 2 * pad - kernel) / stride + 1;
  s->conv = (adze_conv2d_f32){
    .window = {channels / groups, size, size, kernel, kernel, stride, stride, 1, 1, pad, pad, output, output},
    .batch = sizes[0], .groups = groups, .filters = sizes[3] / groups, .x = x, .x_image_stride = channels * size * size,
    .x_pixel_stride = is_nchw ? 1 : channels, .x_channel_stride = is_nchw ? size * size : 1, .y = y,
    .y_pixel_stride = sizes[3], .epilogue = {.column_bias = bias, .clamps = true, .minimum = 0, .maximum = INFINITY}};
  s->plan = adze_conv2d_f32_plan(k, &s->conv, (adze_conv2d_algorithm)algorithm);
  if (!s->plan.run) {
    free(s);
    return NULL;
  }
  s->packed = aligned_alloc(64, ((size_t)s->plan.packed_count * 4 + 63) / 64 * 64);
  s->scratch = aligned_alloc(64, ((size_t)s->plan.scratch_count * 4 + 127) / 64 * 64);
  if (!s->packed || !s->scratch) abort();
  s->plan.pack(&s->conv, weights, s->packed, 0, s->plan.panels);
  s->conv.weights_packed = s->packed;
  return s;
}

int session_algorithm(const session *s) { return (int)s->plan.algorithm; }

/// Wall seconds of each of `count` runs: what other processes take falls on few of them.
void session_run(const session *s, int count, double *seconds) {
  for (int i = 0; i < count; i++) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    s->plan.run(&s->conv, s->scratch, 0, s->plan.lines, 0, s->plan.panels);
    clock_gettime(CLOCK_MONOTONIC, &end);
    seconds[i] = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
  }
}

void session_free(session *s) {
  free(s->packed);
  free(s->scratch);
  free(s);
}
