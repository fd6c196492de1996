// Winograd convolution F(4 x 4, 3 x 3) of NHWC images (Lavin and Gray, arXiv 1509.09308): 36 products instead of 144 for
// 16 outputs. 3 x 3 filters, stride 1, dilation 1, any padding and size.
//
// The points are 0, ±√½, ±√2 and ∞: their transforms lose about a quarter of the digits that 0, ±1, ±2 lose, and the
// product of their squares is 1. Tiles lie at multiples of four of the output, whatever the caller's split.

#include "../conv2d_sizes.h"

#define P 0.70710678f    // √½
#define Q 1.41421356f    // √2
#define P2 0.5f
#define Q2 2.0f
#define P2_Q2 2.5f

/// One dimension of the input transform, Bᵀ d.
ALWAYS_INLINE void transform_input(const vf d[6], vf t[6]) {
  const vf even_p = v_fma(v_set1(-Q2), d[2], d[4]), odd_p = v_set1(P) * v_fma(v_set1(-Q2), d[1], d[3]);
  const vf even_q = v_fma(v_set1(-P2), d[2], d[4]), odd_q = v_set1(Q) * v_fma(v_set1(-P2), d[1], d[3]);
  t[0] = v_fma(v_set1(-P2_Q2), d[2], d[0] + d[4]);
  t[1] = even_p + odd_p;
  t[2] = even_p - odd_p;
  t[3] = even_q + odd_q;
  t[4] = even_q - odd_q;
  t[5] = v_fma(v_set1(-P2_Q2), d[3], d[1] + d[5]);
}

/// One dimension of the output transform, Aᵀ m.
ALWAYS_INLINE void transform_output(const vf m[6], vf y[4]) {
  const vf sum_p = m[1] + m[2], sum_q = m[3] + m[4];
  const vf difference_p = v_set1(P) * (m[1] - m[2]), difference_q = v_set1(Q) * (m[3] - m[4]);
  y[0] = (m[0] + sum_p) + sum_q;
  y[1] = difference_p + difference_q;
  y[2] = v_fma(v_set1(Q2), sum_q, v_set1(P2) * sum_p);
  y[3] = v_fma(v_set1(Q2), difference_q, v_fma(v_set1(P2), difference_p, m[5]));
}

/// A tile: 4 x 4 outputs at (y, x) of an image.
typedef struct {
  ptrdiff_t image, y, x;
} winograd_tile;

ALWAYS_INLINE winograd_tile tile_at(const adze_window2d *w, ptrdiff_t index) {
  const ptrdiff_t across = conv2d_tiles(w->output_width), down = conv2d_tiles(w->output_height), row = index / across;
  return (winograd_tile){row / down, row % down * 4, index % across * 4};
}

/// V: 36 planes of one row of channels for each tile; `to` is the tile's row in the first.
ALWAYS_INLINE void input_tile(
  const bool inside, const adze_conv2d_f32 *c, const float *image, ptrdiff_t y, ptrdiff_t x, float *to, ptrdiff_t plane) {
  const adze_window2d *w = &c->window;
  const ptrdiff_t top = y - w->pad_top, left = x - w->pad_left, row = w->width * c->x_pixel_stride;
  const float *from = image + top * row + left * c->x_pixel_stride;
  for (ptrdiff_t channel = 0; channel < w->channels; channel += VL) {
    const ptrdiff_t count = least(VL, w->channels - channel);
    vf half[6][6];
    UNROLL for (int j = 0; j < 6; j++) {
      vf d[6], t[6];
      const bool column = inside || (left + j >= 0 && left + j < w->width);
      UNROLL for (int i = 0; i < 6; i++) {
        const float *p = from + i * row + j * c->x_pixel_stride + channel;
        if (!inside && !(column && top + i >= 0 && top + i < w->height)) d[i] = v_set1(0);
        else d[i] = count < VL ? v_load_part(p, count) : v_load(p);
      }
      transform_input(d, t);
      UNROLL for (int i = 0; i < 6; i++) half[i][j] = t[i];
    }
    UNROLL for (int i = 0; i < 6; i++) {
      vf t[6];
      transform_input(half[i], t);
      UNROLL for (int j = 0; j < 6; j++) v_store(to + (i * 6 + j) * plane + channel, t[j]);
    }
  }
}

static void transform_inputs(
  const adze_conv2d_f32 *c, ptrdiff_t group, ptrdiff_t first, ptrdiff_t tiles, float *v, ptrdiff_t stride,
  ptrdiff_t plane) {
  const adze_window2d *w = &c->window;
  for (ptrdiff_t i = 0; i < tiles; i++) {
    const winograd_tile t = tile_at(w, first + i);
    const ptrdiff_t top = t.y - w->pad_top, left = t.x - w->pad_left;
    const bool inside = top >= 0 && left >= 0 && top + 6 <= w->height && left + 6 <= w->width;
    const float *image = c->x + t.image * c->x_image_stride + group * w->channels;
    if (inside) input_tile(true, c, image, t.y, t.x, v + i * stride, plane);
    else input_tile(false, c, image, t.y, t.x, v + i * stride, plane);
  }
}

/// The outputs of a tile from its row `m` in the first of 36 planes, filters [filter, filter + filters).
ALWAYS_INLINE void output_tile(
  const adze_conv2d_f32 *c, winograd_tile t, const float *m, ptrdiff_t plane, ptrdiff_t filter, ptrdiff_t filters) {
  const adze_window2d *w = &c->window;
  const adze_epilogue_f32 *e = &c->epilogue;
  const ptrdiff_t pixel = (t.image * w->output_height + t.y) * w->output_width + t.x;
  const ptrdiff_t rows = least(4, w->output_height - t.y), columns = least(4, w->output_width - t.x);
  const vf low = v_set1(e->minimum), high = v_set1(e->maximum);
  for (ptrdiff_t f = 0; f < filters; f += VL) {
    const ptrdiff_t count = least(VL, filters - f);
    vf half[4][6];
    UNROLL for (int j = 0; j < 6; j++) {
      vf column[6], y[4];
      UNROLL for (int i = 0; i < 6; i++) column[i] = v_load(m + (i * 6 + j) * plane + f);
      transform_output(column, y);
      UNROLL for (int i = 0; i < 4; i++) half[i][j] = y[i];
    }
    vf bias = v_set1(0);
    if (e->column_bias) bias = count < VL ? v_load_part(e->column_bias + filter + f, count) : v_load(e->column_bias + filter + f);
    UNROLL for (int i = 0; i < 4; i++) {
      vf y[4];
      transform_output(half[i], y);
      if (i >= rows) continue;
      UNROLL for (int j = 0; j < 4; j++) {
        if (j >= columns) continue;
        const ptrdiff_t at = pixel + i * w->output_width + j;
        vf sum = y[j] + bias;
        if (c->residual) {
          const float *r = c->residual + at * c->residual_pixel_stride + filter + f;
          sum = sum + (count < VL ? v_load_part(r, count) : v_load(r));
        }
        if (e->clamps) sum = v_min(high, v_max(low, sum));
        float *p = c->y + at * c->y_pixel_stride + filter + f;
        if (count < VL) v_store_part(p, sum, count);
        else v_store(p, sum);
      }
    }
  }
  if (!e->activation) return;
  for (ptrdiff_t i = 0; i < rows * columns; i++) {
    float *y = c->y + (pixel + i / columns * w->output_width + i % columns) * c->y_pixel_stride + filter;
    e->activation(y, y, filters, e->alpha, e->beta);
  }
}

/// Panels [begin, end) of one group for a block of tiles whose inputs are transformed.
static void winograd_product(
  const adze_conv2d_f32 *c, ptrdiff_t group, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first, ptrdiff_t tiles,
  const float *v, ptrdiff_t stride, ptrdiff_t plane, const int32_t *offsets, float *m) {
  const ptrdiff_t depth = c->window.channels, panels = conv2d_group_panels(c, PANEL);
  const ptrdiff_t columns = (end - begin) * PANEL, m_plane = tiles * columns + WINOGRAD_GAP;
  const float *rows[WINOGRAD_TILES + GEMM_ROWS];
  for (int i = 0; i < 36; i++) {
    // Beyond this plane's tiles are those of the next.
    for (ptrdiff_t t = 0; t < tiles + GEMM_ROWS; t++) rows[t] = v + i * plane + t * stride;
    const float *b = c->weights_packed + ((i * c->groups + group) * panels + begin) * PANEL * depth;
    const gathered g = {
      .columns = columns, .depth = depth, .rows = rows, .offsets = offsets, .b = b,
      .b_next = b + c->groups * panels * PANEL * depth, .c = m + i * m_plane, .c_stride = columns};
    gathered_product(&g, tiles);
  }
  const ptrdiff_t filter = begin * PANEL, filters = least(columns, c->filters - filter);
  for (ptrdiff_t t = 0; t < tiles; t++) {
    output_tile(
      c, tile_at(&c->window, first + t), m + t * columns, m_plane, group * c->filters + filter, filters);
  }
}

void KERNEL(conv2d_winograd_f32)(
  const adze_conv2d_f32 *c, float *scratch, ptrdiff_t line_begin, ptrdiff_t line_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  const adze_window2d *w = &c->window;
  const ptrdiff_t across = conv2d_tiles(w->output_width), stride = (w->channels + VL - 1) / VL * VL;
  const ptrdiff_t block = winograd_tiles(w->channels), panels = conv2d_group_panels(c, PANEL);
  int32_t *offsets = (int32_t *)scratch;
  for (ptrdiff_t i = 0; i < w->channels; i++) offsets[i] = (int32_t)i;
  float *v = scratch + conv2d_aligned(w->channels);
  const ptrdiff_t last = line_end * across;
  for (ptrdiff_t first = line_begin * across; first < last; first += block) {
    const ptrdiff_t tiles = least(block, last - first), plane = tiles * stride + WINOGRAD_GAP;
    for (ptrdiff_t panel = panel_begin; panel < panel_end;) {
      const ptrdiff_t group = panel / panels, end = least(panel_end, (group + 1) * panels);
      transform_inputs(c, group, first, tiles, v, stride, plane);
      for (; panel < end; panel += WINOGRAD_COLUMNS / PANEL) {
        const ptrdiff_t stop = least(end, panel + WINOGRAD_COLUMNS / PANEL);
        winograd_product(
          c, group, panel - group * panels, stop - group * panels, first, tiles, v, stride, plane, offsets, v + 36 * plane);
      }
      panel = end;
    }
  }
}

/// G g Gᵀ for one filter of one channel, in double: it is done once.
static void transform_filter(const float *g, float *to, ptrdiff_t plane) {
  const double p = sqrt(0.5), q = sqrt(2.0);
  const double matrix[6][3] = {{1, 0, 0}, {-1 / 1.5, -p / 1.5, -0.5 / 1.5}, {-1 / 1.5, p / 1.5, -0.5 / 1.5},
    {1 / 6.0, q / 6, 2 / 6.0}, {1 / 6.0, -q / 6, 2 / 6.0}, {0, 0, 1}};
  for (int i = 0; i < 6; i++) {
    for (int j = 0; j < 6; j++) {
      double sum = 0;
      for (int a = 0; a < 3; a++) {
        for (int b = 0; b < 3; b++) sum += matrix[i][a] * matrix[j][b] * g[a * 3 + b];
      }
      to[(i * 6 + j) * plane] = (float)sum;
    }
  }
}

void KERNEL(pack_conv2d_winograd_f32)(
  const adze_conv2d_f32 *c, const float *weights, float *packed, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t channels = c->window.channels, panels = conv2d_group_panels(c, PANEL);
  const ptrdiff_t plane = c->groups * panels * channels * PANEL;
  const float zero[9] = {0};
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    const ptrdiff_t group = panel / panels, first = panel % panels * PANEL, count = least(PANEL, c->filters - first);
    const float *from = weights + (group * c->filters + first) * channels * 9;
    for (ptrdiff_t channel = 0; channel < channels; channel++) {
      for (ptrdiff_t i = 0; i < PANEL; i++) {
        const float *filter = i < count ? from + (i * channels + channel) * 9 : zero;
        transform_filter(filter, packed + (panel * channels + channel) * PANEL + i, plane);
      }
    }
  }
}

#undef P
#undef Q
#undef P2
#undef Q2
#undef P2_Q2
