// Block sizes of the NHWC convolutions, which the kernels and the sizes of their scratch memory follow.
#ifndef ADZE_CONV2D_SIZES_H
#define ADZE_CONV2D_SIZES_H
#include "simd/common.h"

/// Output pixels of a block: its windows stay in the second-level cache, its weights are read once for all of them.
#define CONV_PIXELS 224

/// Winograd: most tiles of a block, filters of a block, and floats between planes, which would else evict each other.
#define WINOGRAD_TILES 96
#define WINOGRAD_COLUMNS 128
#define WINOGRAD_GAP 16

/// Offsets are at the beginning of the scratch memory; what follows stays aligned.
ALWAYS_INLINE ptrdiff_t conv2d_aligned(ptrdiff_t count) { return (count + 15) / 16 * 16; }

/// Tiles of 4 along an output axis.
ALWAYS_INLINE ptrdiff_t conv2d_tiles(ptrdiff_t extent) { return (extent + 3) / 4; }

/// Panels of one group's filters.
ALWAYS_INLINE ptrdiff_t conv2d_group_panels(const adze_conv2d_f32 *c, ptrdiff_t panel) {
  return (c->filters + panel - 1) / panel;
}

/// Tiles of a block: their transformed inputs (36 floats a channel) stay in the second-level cache, but there are enough
/// of them to use what is read of the filters.
ALWAYS_INLINE ptrdiff_t winograd_tiles(ptrdiff_t channels) {
  const ptrdiff_t fitting = (256 << 10) / (36 * (ptrdiff_t)sizeof(float)) / most(1, channels);
  return least(WINOGRAD_TILES, most(30, fitting));
}

/// Whether windows are one pixel each, none of them in the padding.
ALWAYS_INLINE bool window_is_pointwise(const adze_window2d *w) {
  return w->kernel_height == 1 && w->kernel_width == 1 && w->pad_top == 0 && w->pad_left == 0
    && (w->output_height - 1) * w->stride_height < w->height && (w->output_width - 1) * w->stride_width < w->width;
}

/// And their channels contiguous: then they are read in place.
ALWAYS_INLINE bool conv2d_is_pointwise(const adze_conv2d_f32 *c) {
  return window_is_pointwise(&c->window) && c->x_channel_stride == 1;
}

/// Input rows or columns under `outputs` output rows or columns of one image.
ALWAYS_INLINE ptrdiff_t conv2d_reach(ptrdiff_t outputs, ptrdiff_t stride, ptrdiff_t kernel, ptrdiff_t dilation) {
  return (outputs - 1) * stride + (kernel - 1) * dilation + 1;
}

/// An 8-bit window as runs of contiguous bytes, each filled up to whole words: rows of taps, or single taps when they
/// are dilated.
typedef struct {
  ptrdiff_t count, bytes, filled;
} conv2d_i8_runs;

ALWAYS_INLINE conv2d_i8_runs conv2d_i8_runs_of(const adze_window2d *w) {
  const bool joined = w->dilation_width == 1;
  const ptrdiff_t bytes = joined ? w->kernel_width * w->channels : w->channels;
  return (conv2d_i8_runs){
    joined ? w->kernel_height : w->kernel_height * w->kernel_width, bytes, (bytes + 3) / 4 * 4};
}

/// Rows that a product without VNNI takes at a time: their windows are copied, one after another.
#define CONV_I8_ROWS 56

/// A run that ends at the end of a copy is read in whole words.
#define CONV_I8_SLACK 64

/// Most rows of a depthwise window, and words of four taps, one below the other, that cover its column.
#define DEPTHWISE_I8_ROWS 32
ALWAYS_INLINE ptrdiff_t depthwise_i8_quads(const adze_window2d *w) { return (w->kernel_height + 3) / 4; }

/// Bytes of padding of a depthwise image: a pixel, or as much as a block of its channels reads.
ALWAYS_INLINE ptrdiff_t depthwise_i8_padding(ptrdiff_t groups) { return (most(groups, 64) + 63) / 64 * 64; }
#endif
