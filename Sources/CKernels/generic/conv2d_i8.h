// Convolution of 8-bit NHWC images as a product of pixels' windows with packed filters. With GATHERS 1 windows are
// multiplied where they lie: in the image for 1 x 1, else in a copy of the few rows under a block of output, which has
// its padding beside it. Else blocks of windows become rows of a matrix for gemm_i8.

#include "../conv2d_sizes.h"

/// Where a block's windows are read.
typedef struct {
  const adze_conv2d_i8 *conv;
  bool in_place;
  uint8_t flip;  // makes copied bytes unsigned
  ptrdiff_t pixel_stride, row_stride;
} conv8_source;

static conv8_source conv8_source_of(const adze_conv2d_i8 *c) {
  const adze_window2d *w = &c->window;
  if (window_is_pointwise(w) && c->x_channel_stride == 1 && (!GATHERS || (!c->x_signed && w->channels % 4 == 0))) {
    return (conv8_source){c, true, 0, c->x_pixel_stride, w->width * c->x_pixel_stride};
  }
  const ptrdiff_t width = least(w->output_width, CONV_PIXELS);
  const ptrdiff_t columns = conv2d_reach(width, w->stride_width, w->kernel_width, w->dilation_width);
  return (conv8_source){c, false, c->x_signed ? 0x80 : 0, w->channels, columns * w->channels};
}

/// Interleaves the planes of so many channels, constant where common so that the compiler finds the shuffles.
ALWAYS_INLINE void interleave_8(
  const ptrdiff_t channels, const uint8_t *restrict from, ptrdiff_t stride, uint8_t *restrict to, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    for (ptrdiff_t j = 0; j < channels; j++) to[i * channels + j] = from[i + j * stride];
  }
}

/// Copies `count` columns of a row, of `channels` each.
static void copy_columns_8(const conv8_source *s, const uint8_t *from, uint8_t *to, ptrdiff_t count) {
  const adze_conv2d_i8 *c = s->conv;
  const ptrdiff_t channels = c->window.channels;
  if (c->x_channel_stride == 1 && c->x_pixel_stride == channels) {
    memcpy(to, from, (size_t)(count * channels));
  } else if (c->x_channel_stride == 1) {
    for (ptrdiff_t i = 0; i < count; i++) memcpy(to + i * channels, from + i * c->x_pixel_stride, (size_t)channels);
  } else if (c->x_pixel_stride == 1 && channels == 3) {
    interleave_8(3, from, c->x_channel_stride, to, count);
  } else if (c->x_pixel_stride == 1) {
    interleave_8(channels, from, c->x_channel_stride, to, count);
  } else {
    for (ptrdiff_t i = 0; i < count; i++) {
      for (ptrdiff_t j = 0; j < channels; j++) {
        to[i * channels + j] = from[i * c->x_pixel_stride + j * c->x_channel_stride];
      }
    }
  }
  if (s->flip) for (ptrdiff_t i = 0; i < count * channels; i++) to[i] ^= 0x80;
}

ALWAYS_INLINE ptrdiff_t rows_under_8(const adze_window2d *w, ptrdiff_t lines) {
  return conv2d_reach(lines, w->stride_height, w->kernel_height, w->dilation_height);
}

/// Copies what lies under output rows [y, y + lines) and columns from x on of one image; `image` is its group's.
static void copy_rows_8(
  const conv8_source *s, const uint8_t *image, ptrdiff_t y, ptrdiff_t lines, ptrdiff_t x, uint8_t *to) {
  const adze_conv2d_i8 *c = s->conv;
  const adze_window2d *w = &c->window;
  const int padding = (uint8_t)c->x_zero_point ^ s->flip;
  const ptrdiff_t top = y * w->stride_height - w->pad_top, left = x * w->stride_width - w->pad_left;
  const ptrdiff_t columns = s->row_stride / w->channels, rows = rows_under_8(w, lines);
  const ptrdiff_t begin = least(columns, most(0, -left)), end = most(begin, least(columns, w->width - left));
  for (ptrdiff_t r = 0; r < rows; r++, to += s->row_stride) {
    const bool inside = top + r >= 0 && top + r < w->height;
    const ptrdiff_t first = inside ? begin * w->channels : s->row_stride, last = inside ? end * w->channels : first;
    memset(to, padding, (size_t)first);
    if (inside) {
      copy_columns_8(s, image + ((top + r) * w->width + left + begin) * c->x_pixel_stride, to + first, end - begin);
    }
    memset(to + last, padding, (size_t)(s->row_stride - last));
  }
}

/// A block: columns [x, x + width) of the output lines [line, line + lines), and its windows' addresses.
typedef struct {
  ptrdiff_t line, lines, x, width;
  const uint8_t *windows[CONV_PIXELS + 10];  // the last ones are only prefetched
} conv8_pixels;

/// Finds, after copying where needed, the windows of one group.
static void gather_8(const conv8_source *s, conv8_pixels *block, ptrdiff_t group, uint8_t *copy) {
  const adze_conv2d_i8 *c = s->conv;
  const adze_window2d *w = &c->window;
  const uint8_t **window = block->windows;
  for (ptrdiff_t line = block->line, end = line + block->lines; line < end;) {
    const ptrdiff_t image = line / w->output_height, y = line % w->output_height;
    const ptrdiff_t lines = least(end - line, w->output_height - y);
    const uint8_t *x = (const uint8_t *)c->x + image * c->x_image_stride + group * w->channels * c->x_channel_stride;
    const uint8_t *row;
    if (s->in_place) {
      row = x + y * w->stride_height * s->row_stride + block->x * w->stride_width * s->pixel_stride;
    } else {
      copy_rows_8(s, x, y, lines, block->x, copy);
      row = copy;
      copy += rows_under_8(w, lines) * s->row_stride;
    }
    for (ptrdiff_t i = 0; i < lines; i++, row += w->stride_height * s->row_stride) {
      for (ptrdiff_t j = 0; j < block->width; j++) *window++ = row + j * w->stride_width * s->pixel_stride;
    }
    line += lines;
  }
  for (int i = 0; i < 10; i++) window[i] = window[-1];
}

/// Distance of a run of the window from its first.
ALWAYS_INLINE ptrdiff_t run_offset(const conv8_source *s, ptrdiff_t run) {
  const adze_window2d *w = &s->conv->window;
  if (w->dilation_width == 1) return run * w->dilation_height * s->row_stride;
  return run / w->kernel_width * w->dilation_height * s->row_stride
    + run % w->kernel_width * w->dilation_width * s->pixel_stride;
}

static const int8_t *panels_of_group(const adze_conv2d_i8 *c, ptrdiff_t group, ptrdiff_t panel, ptrdiff_t panel_bytes) {
  return (const int8_t *)c->weights_packed + (group * ((c->filters + PANEL - 1) / PANEL) + panel) * panel_bytes;
}

#if GATHERS
static void conv8_product(
  const conv8_source *s, const conv8_pixels *block, const int32_t *offsets, ptrdiff_t depth, ptrdiff_t group,
  ptrdiff_t begin, ptrdiff_t end, uint8_t *rows) {
  const adze_conv2d_i8 *c = s->conv;
  const ptrdiff_t first = begin * PANEL, panel_bytes = PANEL * (depth + (ptrdiff_t)sizeof(int32_t));
  const i8_gathered g = {
    .conv = c, .columns = least(end * PANEL, c->filters) - first, .groups = depth / 4, .rows = block->windows,
    .offsets = offsets, .b = panels_of_group(c, group, begin, panel_bytes),
    .zero_point = c->x_zero_point + (s->flip ? 128 : 0), .filter = group * c->filters + first,
    .pixel = block->line * c->window.output_width + block->x};
  i8_gathered_product(&g, block->lines * block->width);
}
#else
static void conv8_product(
  const conv8_source *s, const conv8_pixels *block, const int32_t *offsets, ptrdiff_t depth, ptrdiff_t group,
  ptrdiff_t begin, ptrdiff_t end, uint8_t *rows) {
  const adze_conv2d_i8 *c = s->conv;
  const conv2d_i8_runs runs = conv2d_i8_runs_of(&c->window);
  const ptrdiff_t filter = group * c->filters;
  const ptrdiff_t size = c->output == ADZE_I8_OUTPUT_I32 || c->output == ADZE_I8_OUTPUT_F32 ? 4 : 1;
  const ptrdiff_t pixels = block->lines * block->width, pixel = block->line * c->window.output_width + block->x;
  const int32_t zero_point = c->x_zero_point + (s->flip ? 128 : 0);
  adze_gemm_i8 gemm = {
    .n = c->filters, .k = depth, .a_signed = c->x_signed && !s->flip, .a_column_stride = 1, .a_zero_point = &zero_point,
    .b_packed = panels_of_group(c, group, 0, I8_PANEL_BYTES(depth)), .b_signed = true, .output = c->output,
    .column_offset = c->bias ? c->bias + filter : NULL, .c_row_stride = c->y_pixel_stride, .b_scale = c->scale,
    .b_scale_stride = c->scale_stride, .epilogue = c->epilogue, .c_zero_point = c->y_zero_point};
  if (c->scale && c->scale_stride) gemm.b_scale = c->scale + filter;
  if (c->epilogue.column_bias) gemm.epilogue.column_bias = c->epilogue.column_bias + filter;
  gemm.epilogue.row_bias = NULL;
  gemm.epilogue.activation = NULL;
  // Else filled words would reach beyond the last pixel, or windows not lie evenly.
  const adze_window2d *w = &c->window;
  const bool dense = s->in_place && w->channels % 4 == 0 && w->stride_width == 1 && w->stride_height == 1
    && w->output_width == w->width && w->output_height == w->height
    && (c->batch == 1 || c->x_image_stride == w->height * w->width * c->x_pixel_stride);
  for (ptrdiff_t at = 0; at < pixels; at += CONV_I8_ROWS) {
    gemm.m = least(CONV_I8_ROWS, pixels - at);
    if (dense) {
      gemm.a = block->windows[at], gemm.a_row_stride = s->pixel_stride;
    } else {
      gemm.a = rows, gemm.a_row_stride = depth;
      for (ptrdiff_t i = 0; i < gemm.m; i++) {
        uint8_t *to = rows + i * depth;
        for (ptrdiff_t run = 0; run < runs.count; run++, to += runs.filled) {
          memcpy(to, block->windows[at + i] + run_offset(s, run), (size_t)runs.bytes);
          memset(to + runs.bytes, 0, (size_t)(runs.filled - runs.bytes));
        }
      }
    }
    gemm.c = (char *)c->y + ((pixel + at) * c->y_pixel_stride + filter) * size;
    KERNEL(gemm_i8)(&gemm, 0, gemm.m, begin, end);
  }
}
#endif

static void conv8_block(
  const conv8_source *s, conv8_pixels *block, ptrdiff_t depth, uint8_t *scratch, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  const adze_conv2d_i8 *c = s->conv;
  const adze_epilogue_f32 *e = &c->epilogue;
  const ptrdiff_t panels = (c->filters + PANEL - 1) / PANEL;
  const int32_t *offsets = (const int32_t *)(const void *)scratch;
  uint8_t *rows = scratch + (depth + 63) / 64 * 64, *copy = rows + (GATHERS ? 0 : CONV_I8_ROWS * depth);
  for (ptrdiff_t panel = panel_begin; panel < panel_end;) {
    const ptrdiff_t group = panel / panels, begin = panel % panels, end = least(panels, begin + panel_end - panel);
    gather_8(s, block, group, copy);
    conv8_product(s, block, offsets, depth, group, begin, end, rows);
    panel += end - begin;
    if (c->output != ADZE_I8_OUTPUT_F32 || !e->activation) continue;
    const ptrdiff_t first = begin * PANEL, count = least(end * PANEL, c->filters) - first;
    const ptrdiff_t pixel = block->line * c->window.output_width + block->x;
    for (ptrdiff_t i = 0; i < block->lines * block->width; i++) {
      float *y = (float *)c->y + (pixel + i) * c->y_pixel_stride + group * c->filters + first;
      e->activation(y, y, count, e->alpha, e->beta);
    }
  }
}

void KERNEL(conv2d_i8)(
  const adze_conv2d_i8 *c, void *scratch, ptrdiff_t line_begin, ptrdiff_t line_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  const adze_window2d *w = &c->window;
  const conv8_source source = conv8_source_of(c);
  const conv2d_i8_runs runs = conv2d_i8_runs_of(w);
  int32_t *offset = scratch;
  for (ptrdiff_t run = 0; run < runs.count; run++) {
    for (ptrdiff_t i = 0; i < runs.filled; i += 4) *offset++ = (int32_t)(run_offset(&source, run) + i);
  }
  const ptrdiff_t most_lines = most(1, CONV_PIXELS / most(1, w->output_width));
  conv8_pixels block;
  for (ptrdiff_t line = line_begin; line < line_end; line += most_lines) {
    for (ptrdiff_t x = 0; x < w->output_width; x += CONV_PIXELS) {
      block.line = line, block.lines = least(most_lines, line_end - line);
      block.x = x, block.width = least(CONV_PIXELS, w->output_width - x);
      conv8_block(&source, &block, runs.count * runs.filled, scratch, panel_begin, panel_end);
    }
  }
}
