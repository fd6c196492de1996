// Convolution of NHWC images as a product of pixels' windows with packed filters. Filters of any size, stride, dilation
// and group. Windows are read where they lie: in the image for 1 x 1 without padding, else in a copy of the few rows
// under a block of output, which has its padding beside it.

#include "../conv2d_sizes.h"

/// Where a block's windows are read.
typedef struct {
  const adze_conv2d_f32 *conv;
  bool in_place;
  ptrdiff_t pixel_stride, row_stride;  // floats between columns and rows
} conv_source;

ALWAYS_INLINE ptrdiff_t conv_depth(const adze_conv2d_f32 *c) {
  return c->window.channels * c->window.kernel_height * c->window.kernel_width;
}

static conv_source conv_source_of(const adze_conv2d_f32 *c) {
  const adze_window2d *w = &c->window;
  if (conv2d_is_pointwise(c)) {
    return (conv_source){c, true, c->x_pixel_stride, w->width * c->x_pixel_stride};
  }
  const ptrdiff_t width = least(w->output_width, CONV_PIXELS);
  const ptrdiff_t columns = conv2d_reach(width, w->stride_width, w->kernel_width, w->dilation_width);
  return (conv_source){c, false, w->channels, columns * w->channels};
}

/// Input rows under `lines` output rows of one image.
ALWAYS_INLINE ptrdiff_t rows_under(const adze_window2d *w, ptrdiff_t lines) {
  return conv2d_reach(lines, w->stride_height, w->kernel_height, w->dilation_height);
}

/// Interleaves the planes of so many channels, constant where common so that the compiler finds the shuffles.
ALWAYS_INLINE void interleave(
  const ptrdiff_t channels, const float *restrict from, ptrdiff_t stride, float *restrict to, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    for (ptrdiff_t j = 0; j < channels; j++) to[i * channels + j] = from[i + j * stride];
  }
}

/// Copies `count` columns of a row, of `channels` each.
ALWAYS_INLINE void copy_columns(const adze_conv2d_f32 *c, const float *from, float *to, ptrdiff_t count) {
  const ptrdiff_t channels = c->window.channels;
  if (c->x_channel_stride == 1 && c->x_pixel_stride == channels) {
    memcpy(to, from, (size_t)(count * channels) * sizeof *to);
  } else if (c->x_channel_stride == 1) {
    for (ptrdiff_t i = 0; i < count; i++) {
      memcpy(to + i * channels, from + i * c->x_pixel_stride, (size_t)channels * sizeof *to);
    }
  } else if (c->x_pixel_stride == 1 && channels == 3) {
    interleave(3, from, c->x_channel_stride, to, count);
  } else if (c->x_pixel_stride == 1) {
    interleave(channels, from, c->x_channel_stride, to, count);
  } else {
    for (ptrdiff_t i = 0; i < count; i++) {
      for (ptrdiff_t j = 0; j < channels; j++) {
        to[i * channels + j] = from[i * c->x_pixel_stride + j * c->x_channel_stride];
      }
    }
  }
}

/// Copies what lies under output rows [y, y + lines) and columns from x on of one image; `image` is its group's.
static void copy_rows(
  const conv_source *s, const float *image, ptrdiff_t y, ptrdiff_t lines, ptrdiff_t x, float *to) {
  const adze_conv2d_f32 *c = s->conv;
  const adze_window2d *w = &c->window;
  const ptrdiff_t top = y * w->stride_height - w->pad_top, left = x * w->stride_width - w->pad_left;
  const ptrdiff_t columns = s->row_stride / w->channels, rows = rows_under(w, lines);
  const ptrdiff_t begin = least(columns, most(0, -left)), end = most(begin, least(columns, w->width - left));
  for (ptrdiff_t r = 0; r < rows; r++, to += s->row_stride) {
    const bool inside = top + r >= 0 && top + r < w->height;
    const ptrdiff_t first = inside ? begin * w->channels : s->row_stride, last = inside ? end * w->channels : first;
    memset(to, 0, (size_t)first * sizeof *to);
    if (inside) {
      copy_columns(c, image + ((top + r) * w->width + left + begin) * c->x_pixel_stride, to + first, end - begin);
    }
    memset(to + last, 0, (size_t)(s->row_stride - last) * sizeof *to);
  }
}

/// A block: columns [x, x + width) of the output lines [line, line + lines), and its windows' addresses.
typedef struct {
  ptrdiff_t line, lines, x, width;
  const float *windows[CONV_PIXELS + GEMM_ROWS];  // the last ones are only prefetched
} conv_pixels;

/// Finds, after copying where needed, the windows of one group.
static void gather(const conv_source *s, conv_pixels *block, ptrdiff_t group, float *copy) {
  const adze_conv2d_f32 *c = s->conv;
  const adze_window2d *w = &c->window;
  const float **window = block->windows;
  for (ptrdiff_t line = block->line, end = line + block->lines; line < end;) {
    const ptrdiff_t image = line / w->output_height, y = line % w->output_height;
    const ptrdiff_t lines = least(end - line, w->output_height - y);
    const float *x = c->x + image * c->x_image_stride;
    if (!c->x_channels) x += group * w->channels * c->x_channel_stride;
    const float *row;
    if (s->in_place) {
      row = x + y * w->stride_height * s->row_stride + block->x * w->stride_width * s->pixel_stride;
    } else {
      copy_rows(s, x, y, lines, block->x, copy);
      row = copy;
      copy += rows_under(w, lines) * s->row_stride;
    }
    for (ptrdiff_t i = 0; i < lines; i++, row += w->stride_height * s->row_stride) {
      for (ptrdiff_t j = 0; j < block->width; j++) *window++ = row + j * w->stride_width * s->pixel_stride;
    }
    line += lines;
  }
  for (int i = 0; i < GEMM_ROWS; i++) window[i] = window[-1];
}

/// Multiplies the gathered windows with panels [begin, end) of one group.
static void conv_block_product(
  const adze_conv2d_f32 *c, const conv_pixels *block, const int32_t *offsets, ptrdiff_t group, ptrdiff_t begin,
  ptrdiff_t end) {
  const ptrdiff_t depth = conv_depth(c), first = begin * PANEL, filter = group * c->filters + first;
  const ptrdiff_t pixel = block->line * c->window.output_width + block->x, pixels = block->lines * block->width;
  const adze_epilogue_f32 *e = &c->epilogue;
  const float *b = c->weights_packed + (group * conv2d_group_panels(c, PANEL) + begin) * PANEL * depth;
  const gathered g = {
    .columns = least(end * PANEL, c->filters) - first, .depth = depth, .rows = block->windows, .offsets = offsets,
    .b = b, .b_next = b,
    .c = c->y + pixel * c->y_pixel_stride + filter, .c_stride = c->y_pixel_stride,
    .bias = e->column_bias ? e->column_bias + filter : NULL,
    .residual = c->residual ? c->residual + pixel * c->residual_pixel_stride + filter : NULL,
    .residual_stride = c->residual_pixel_stride, .clamps = e->clamps, .minimum = e->minimum, .maximum = e->maximum};
  gathered_product(&g, pixels);
  if (!e->activation) return;
  for (ptrdiff_t i = 0; i < pixels; i++) {
    float *y = g.c + i * g.c_stride;
    e->activation(y, y, g.columns, e->alpha, e->beta);
  }
}

void KERNEL(conv2d_f32)(
  const adze_conv2d_f32 *c, float *scratch, ptrdiff_t line_begin, ptrdiff_t line_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  const adze_window2d *w = &c->window;
  const conv_source source = conv_source_of(c);
  int32_t *offsets = (int32_t *)scratch;
  ptrdiff_t k = 0;
  for (ptrdiff_t ky = 0; ky < w->kernel_height; ky++) {
    for (ptrdiff_t kx = 0; kx < w->kernel_width; kx++) {
      const ptrdiff_t tap = ky * w->dilation_height * source.row_stride + kx * w->dilation_width * source.pixel_stride;
      for (ptrdiff_t i = 0; i < w->channels; i++) offsets[k++] = (int32_t)(tap + i);
    }
  }
  const ptrdiff_t panels = conv2d_group_panels(c, PANEL), most_lines = most(1, CONV_PIXELS / most(1, w->output_width));
  conv_pixels block;
  for (ptrdiff_t line = line_begin; line < line_end; line += most_lines) {
    for (ptrdiff_t x = 0; x < w->output_width; x += CONV_PIXELS) {
      block.line = line, block.lines = least(most_lines, line_end - line);
      block.x = x, block.width = least(CONV_PIXELS, w->output_width - x);
      for (ptrdiff_t panel = panel_begin; panel < panel_end;) {
        const ptrdiff_t group = panel / panels, begin = panel % panels, end = least(panels, begin + panel_end - panel);
        gather(&source, &block, group, scratch + conv2d_aligned(k));
        const int32_t *channels = c->x_channels ? c->x_channels + group * w->channels : offsets;
        conv_block_product(c, &block, channels, group, begin, end);
        panel += end - begin;
      }
    }
  }
}

void KERNEL(pack_conv2d_f32)(
  const adze_conv2d_f32 *c, const float *weights, float *packed, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t channels = c->window.channels, taps = c->window.kernel_height * c->window.kernel_width;
  const ptrdiff_t panels = conv2d_group_panels(c, PANEL);
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    const ptrdiff_t group = panel / panels, first = panel % panels * PANEL, count = least(PANEL, c->filters - first);
    const float *from = weights + (group * c->filters + first) * channels * taps;
    float *to = packed + panel * PANEL * channels * taps;
    for (ptrdiff_t tap = 0; tap < taps; tap++) {
      for (ptrdiff_t channel = 0; channel < channels; channel++, to += PANEL) {
        for (ptrdiff_t i = 0; i < PANEL; i++) to[i] = i < count ? from[(i * channels + channel) * taps + tap] : 0;
      }
    }
  }
}
