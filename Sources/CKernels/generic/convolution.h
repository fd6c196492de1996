// Windows that slide over an image: im2col, depthwise convolution, pooling.

/// Output columns [*begin, *end) whose window column kx lies inside the image.
ALWAYS_INLINE void inside(
  ptrdiff_t offset, ptrdiff_t stride, ptrdiff_t extent, ptrdiff_t count, ptrdiff_t *begin, ptrdiff_t *end) {
  // 0 <= x * stride + offset < extent
  if (stride == 1) {
    *begin = least(count, most(0, -offset));
    *end = most(*begin, least(count, extent - offset));
    return;
  }
  *begin = offset >= 0 ? 0 : least(count, (-offset + stride - 1) / stride);
  *end = extent <= offset ? 0 : least(count, (extent - offset + stride - 1) / stride);
  if (*end < *begin) *end = *begin;
}

/// x[0], x[stride] …, `count` <= VL of them.
ALWAYS_INLINE vf load_strided(const float *x, ptrdiff_t stride, ptrdiff_t count) {
  if (stride == 1) return count < VL ? v_load_part(x, count) : v_load(x);
  float lanes[VL] = {0};
  for (ptrdiff_t i = 0; i < count; i++) lanes[i] = x[i * stride];
  return v_load(lanes);
}

ALWAYS_INLINE vf load_part(const float *x, ptrdiff_t count) { return count < VL ? v_load_part(x, count) : v_load(x); }

ALWAYS_INLINE void store_part(float *y, vf v, ptrdiff_t count) {
  if (count < VL) v_store_part(y, v, count);
  else v_store(y, v);
}

/// y[r][0 ..< count] = x[r][0 ..< count] for count <= 2 * VL.
ALWAYS_INLINE void copy_runs(
  const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, ptrdiff_t rows, ptrdiff_t count) {
  const ptrdiff_t low = least(count, VL), high = count - low;
  for (ptrdiff_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
    store_part(y, load_part(x, low), low);
    if (high) store_part(y + VL, load_part(x + VL, high), high);
  }
}

/// All taps of `run` < VL pixels of one output row from (y, x) on, stride 1: to `to`, rows of 2 * VL.
ALWAYS_INLINE void pack_short_run(
  const adze_window2d *w, const float *image, ptrdiff_t y, ptrdiff_t x, ptrdiff_t run, float *to) {
  const ptrdiff_t height = w->height, width = w->width, kernel_width = w->kernel_width, channels = w->channels;
  const ptrdiff_t plane = height * width, step = w->kernel_height * kernel_width * 2 * VL;
  const ptrdiff_t dilation = w->dilation_width, left = x - w->pad_left;
  ptrdiff_t iy = y * w->stride_height - w->pad_top;
  for (ptrdiff_t ky = 0; ky < w->kernel_height; ky++, iy += w->dilation_height, to += kernel_width * 2 * VL) {
    if (iy < 0 || iy >= height) continue;
    const float *line = image + iy * width;
    for (ptrdiff_t kx = 0; kx < kernel_width; kx++) {
      ptrdiff_t begin, end;
      inside(left + kx * dilation, 1, width, run, &begin, &end);
      const ptrdiff_t count = end - begin;
      if (count == 0) continue;
      const float *from = line + left + kx * dilation + begin;
      float *row = to + kx * 2 * VL + begin;
      for (ptrdiff_t c = 0; c < channels; c++) v_store_part(row + c * step, v_load_part(from + c * plane, count), count);
    }
  }
}

void KERNEL(im2col_pack_b_f32)(
  const adze_window2d *w, const float *image, float *packed, ptrdiff_t panel_begin, ptrdiff_t panel_end) {
  const ptrdiff_t panel_width = 2 * VL, taps = w->kernel_height * w->kernel_width, depth = w->channels * taps;
  const ptrdiff_t pixels = w->output_height * w->output_width, plane = w->height * w->width;
  for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
    float *to = packed + panel * panel_width * depth;
    const ptrdiff_t first = panel * panel_width, last = least(first + panel_width, pixels);
    memset(to, 0, (size_t)(depth * panel_width) * sizeof *to);
    // Runs of pixels in one output row; for each, every tap of every channel.
    for (ptrdiff_t pixel = first; pixel < last;) {
      const ptrdiff_t y = pixel / w->output_width, x = pixel % w->output_width;
      const ptrdiff_t run = least(last - pixel, w->output_width - x);
      if (w->stride_width == 1 && run < VL) {
        pack_short_run(w, image, y, x, run, to + (pixel - first));
        pixel += run;
        continue;
      }
      for (ptrdiff_t tap = 0, kx = 0, ky = 0; tap < taps; tap++, kx++) {
        if (kx == w->kernel_width) kx = 0, ky++;
        const ptrdiff_t iy = y * w->stride_height - w->pad_top + ky * w->dilation_height;
        const ptrdiff_t ix = x * w->stride_width - w->pad_left + kx * w->dilation_width;
        if (iy < 0 || iy >= w->height) continue;
        ptrdiff_t begin, end;
        inside(ix, w->stride_width, w->width, run, &begin, &end);
        if (begin == end) continue;
        const float *from = image + iy * w->width + ix + begin * w->stride_width;
        float *row = to + tap * panel_width + (pixel - first) + begin;
        const ptrdiff_t count = end - begin, step = taps * panel_width;
        if (w->stride_width == 1) copy_runs(from, plane, row, step, w->channels, count);
        else for (ptrdiff_t c = 0; c < w->channels; c++) {
          for (ptrdiff_t i = 0; i < count; i++) row[c * step + i] = from[c * plane + i * w->stride_width];
        }
      }
      pixel += run;
    }
  }
}

void KERNEL(im2col_8)(
  const adze_window2d *w, const uint8_t *image, uint8_t padding, uint8_t *columns, ptrdiff_t row_begin,
  ptrdiff_t row_end) {
  const ptrdiff_t taps = w->kernel_height * w->kernel_width, pixels = w->output_height * w->output_width;
  for (ptrdiff_t r = row_begin; r < row_end; r++) {
    const uint8_t *plane = image + r / taps * w->height * w->width;
    const ptrdiff_t ky = r % taps / w->kernel_width * w->dilation_height - w->pad_top;
    const ptrdiff_t kx = r % taps % w->kernel_width * w->dilation_width - w->pad_left;
    ptrdiff_t begin, end;
    inside(kx, w->stride_width, w->width, w->output_width, &begin, &end);
    uint8_t *to = columns + r * pixels;
    for (ptrdiff_t y = 0; y < w->output_height; y++, to += w->output_width) {
      const ptrdiff_t iy = y * w->stride_height + ky;
      if (iy < 0 || iy >= w->height) {
        memset(to, padding, (size_t)w->output_width);
        continue;
      }
      const uint8_t *from = plane + iy * w->width + kx;
      memset(to, padding, (size_t)begin);
      if (w->stride_width == 1) memcpy(to + begin, from + begin, (size_t)(end - begin));
      else for (ptrdiff_t x = begin; x < end; x++) to[x] = from[x * w->stride_width];
      memset(to + end, padding, (size_t)(w->output_width - end));
    }
  }
}

// Depthwise convolution and pooling run over rows that were copied to the stack with their padding beside them, so that
// no tap asks whether it is inside. A ring holds the image rows under the window.

// Floats of the ring; a window over wider rows reads the image itself.
#define RING 8192

typedef struct {
  const adze_window2d *window;
  const float *image;
  float *rows;
  ptrdiff_t span;    // rows of the ring: those under the window and those that the next output row adds
  ptrdiff_t stride;  // floats of a row, with padding and what the last vector reads too much
  ptrdiff_t next;    // image row that is not in the ring yet
} ring;

ALWAYS_INLINE ring ring_of(const adze_window2d *w, const float *image, float *rows) {
  const ptrdiff_t vectors = (w->output_width + VL - 1) / VL * VL + VL;
  const ptrdiff_t last_tap = (w->kernel_width - 1) * w->dilation_width;
  return (ring){w, image, rows, (w->kernel_height - 1) * w->dilation_height + 1 + w->stride_height,
    most(vectors * w->stride_width + last_tap, w->pad_left + w->width), 0};
}

/// Copies the image rows under output row `row` that the ring lacks; the padding beside them is there already.
/// Called one output row ahead: unaligned loads of what was just stored would wait for the stores.
ALWAYS_INLINE void advance(ring *r, ptrdiff_t row) {
  const adze_window2d *w = r->window;
  const ptrdiff_t top = row * w->stride_height - w->pad_top;
  const ptrdiff_t end = least(top + r->span - w->stride_height, w->height);
  for (r->next = most(r->next, most(0, top)); r->next < end; r->next++) {
    float *to = r->rows + r->next % r->span * r->stride + w->pad_left;
    const float *from = r->image + r->next * w->width;
    ptrdiff_t x = 0;
    for (; x + VL <= w->width; x += VL) v_store(to + x, v_load(from + x));
    if (x < w->width) v_store_part(to + x, v_load_part(from + x, w->width - x), w->width - x);
  }
}

enum { WEIGHTED, GREATEST, SUMMED };

ALWAYS_INLINE vf combined(const int kind, vf acc, vf tap, float weight) {
  if (kind == WEIGHTED) return v_fma(tap, v_set1(weight), acc);
  if (kind == SUMMED) return acc + tap;
  return v_select(v_is_nan(acc), acc, v_max(acc, tap));
}

ALWAYS_INLINE vf load_taps(const float *x, const ptrdiff_t stride) {
  return stride == 1 ? v_load(x) : stride == 2 ? v_load_even(x) : load_strided(x, stride, VL);
}

/// One output row; `height` x `width` is the kernel, constant where it is common.
ALWAYS_INLINE void slide_row(
  const int kind, const ring *r, ptrdiff_t row, const ptrdiff_t height, const ptrdiff_t width, const ptrdiff_t stride,
  const float *weights, float start, vf low, vf high, float *y) {
  const adze_window2d *w = r->window;
  const ptrdiff_t top = row * w->stride_height - w->pad_top, dilation = w->dilation_width;
  const ptrdiff_t first = ((top % r->span) + r->span) % r->span;
  for (ptrdiff_t x = 0; x < w->output_width; x += VL) {
    vf acc = v_set1(start);
    ptrdiff_t iy = top, slot = first;
    for (ptrdiff_t ky = 0; ky < height; ky++) {
      const float *from = r->rows + slot * r->stride + x * stride;
      if (iy >= 0 && iy < w->height) {
        for (ptrdiff_t kx = 0; kx < width; kx++) {
          const float weight = kind == WEIGHTED ? weights[ky * width + kx] : 0;
          acc = combined(kind, acc, load_taps(from + kx * dilation, stride), weight);
        }
      }
      iy += w->dilation_height;
      slot += w->dilation_height;
      if (slot >= r->span) slot -= r->span;
    }
    if (kind == WEIGHTED) acc = v_min(high, v_max(low, acc));
    store_part(y + x, acc, least(VL, w->output_width - x));
  }
}

/// The same where the kernel is at most 3 x 3 and all its rows are inside: weights and row addresses stay in registers.
ALWAYS_INLINE void slide_inner_row(
  const int kind, const ring *r, ptrdiff_t row, const int height, const int width, const ptrdiff_t stride,
  const float *weights, float start, vf low, vf high, float *y) {
  const adze_window2d *w = r->window;
  const ptrdiff_t top = row * w->stride_height - w->pad_top;
  const float *lines[3];
  float taps[9];
  UNROLL for (int ky = 0; ky < height; ky++) {
    lines[ky] = r->rows + (top + ky * w->dilation_height) % r->span * r->stride;
    UNROLL for (int kx = 0; kx < width; kx++) taps[ky * 3 + kx] = kind == WEIGHTED ? weights[ky * width + kx] : 0;
  }
  for (ptrdiff_t x = 0; x < w->output_width; x += VL) {
    vf acc = v_set1(start);
    UNROLL for (int ky = 0; ky < height; ky++) {
      UNROLL for (int kx = 0; kx < width; kx++) {
        acc = combined(kind, acc, load_taps(lines[ky] + x * stride + kx, stride), taps[ky * 3 + kx]);
      }
    }
    if (kind == WEIGHTED) acc = v_min(high, v_max(low, acc));
    store_part(y + x, acc, least(VL, w->output_width - x));
  }
}

/// Rows too wide for the ring: the taps of one row one after another, each over the columns where it is inside.
ALWAYS_INLINE void slide_wide_row(
  const int kind, const ring *r, ptrdiff_t row, const float *weights, float start, vf low, vf high, float *y) {
  const adze_window2d *w = r->window;
  for (ptrdiff_t x = 0; x < w->output_width; x++) y[x] = start;
  for (ptrdiff_t tap = 0; tap < w->kernel_height * w->kernel_width; tap++) {
    const ptrdiff_t iy = row * w->stride_height - w->pad_top + tap / w->kernel_width * w->dilation_height;
    const ptrdiff_t offset = tap % w->kernel_width * w->dilation_width - w->pad_left;
    if (iy < 0 || iy >= w->height) continue;
    ptrdiff_t begin, end;
    inside(offset, w->stride_width, w->width, w->output_width, &begin, &end);
    const float *from = r->image + iy * w->width + offset;
    for (ptrdiff_t x = begin; x < end; x += VL) {
      const ptrdiff_t count = least(VL, end - x);
      const vf taps = load_strided(from + x * w->stride_width, w->stride_width, count);
      store_part(y + x, combined(kind, load_part(y + x, count), taps, kind == WEIGHTED ? weights[tap] : 0), count);
    }
  }
  if (kind != WEIGHTED) return;
  for (ptrdiff_t x = 0; x < w->output_width; x += VL) {
    const ptrdiff_t count = least(VL, w->output_width - x);
    store_part(y + x, v_min(high, v_max(low, load_part(y + x, count))), count);
  }
}

ALWAYS_INLINE void slide(
  const int kind, const adze_window2d *w, const float *image, float padding, const float *weights, float start, vf low,
  vf high, float *y, ptrdiff_t row_begin, ptrdiff_t row_end) {
  _Alignas(64) float rows[RING];
  ring r = ring_of(w, image, rows);
  const bool fits = r.span <= RING && r.stride <= RING / r.span, dense = w->dilation_width == 1;
  for (ptrdiff_t i = 0; fits && i < r.span * r.stride; i++) rows[i] = padding;
  const bool is_3x3 = fits && dense && w->kernel_height == 3 && w->kernel_width == 3;
  const bool is_2x2 = fits && dense && w->kernel_height == 2 && w->kernel_width == 2;
  const ptrdiff_t stride = w->stride_width;
  if (fits) advance(&r, row_begin);
  for (ptrdiff_t row = row_begin; row < row_end; row++) {
    float *to = y + row * w->output_width;
    if (fits && row + 1 < row_end) advance(&r, row + 1);
    const ptrdiff_t top = row * w->stride_height - w->pad_top;
    const bool inner = top >= 0 && top + (w->kernel_height - 1) * w->dilation_height < w->height;
    if (inner && is_3x3 && stride == 1) slide_inner_row(kind, &r, row, 3, 3, 1, weights, start, low, high, to);
    else if (inner && is_3x3 && stride == 2) slide_inner_row(kind, &r, row, 3, 3, 2, weights, start, low, high, to);
    else if (inner && is_2x2 && stride == 2) slide_inner_row(kind, &r, row, 2, 2, 2, weights, start, low, high, to);
    else if (fits && stride == 1)
      slide_row(kind, &r, row, w->kernel_height, w->kernel_width, 1, weights, start, low, high, to);
    else if (fits) slide_row(kind, &r, row, w->kernel_height, w->kernel_width, stride, weights, start, low, high, to);
    else slide_wide_row(kind, &r, row, weights, start, low, high, to);
  }
}

void KERNEL(depthwise_f32)(
  const adze_window2d *w, const float *image, const float *weights, float bias, float minimum, float maximum,
  float *y, ptrdiff_t row_begin, ptrdiff_t row_end) {
  slide(WEIGHTED, w, image, 0, weights, bias, v_set1(minimum), v_set1(maximum), y, row_begin, row_end);
}

/// Windows of 2 x 2 that touch each other, no padding: first pairs of rows, then pairs of neighbours, which lie
/// one after another whatever the width.
static void max_pool_2x2(const adze_window2d *w, const float *image, float *y) {
  _Alignas(64) float greater[RING + 3 * VL];
  const vf lowest = v_set1(-FLT_MAX);
  const ptrdiff_t width = 2 * w->output_width, block = RING / width;
  for (ptrdiff_t row = 0; row < w->output_height; row += block) {
    const ptrdiff_t rows = least(block, w->output_height - row);
    float *to = greater;
    for (ptrdiff_t r = row; r < row + rows; r++, to += width) {
      const float *upper = image + 2 * r * w->width, *lower = upper + w->width;
      ptrdiff_t x = 0;
      for (; x + VL <= width; x += VL) v_store(to + x, combined(GREATEST, v_load(upper + x), v_load(lower + x), 0));
      if (x < width) {
        const vf last = v_load_part(upper + x, width - x);
        v_store_part(to + x, combined(GREATEST, last, v_load_part(lower + x, width - x), 0), width - x);
      }
    }
    for (int v = 0; v < 3; v++) v_store(to + v * VL, lowest);
    const ptrdiff_t count = rows * w->output_width;
    for (ptrdiff_t i = 0; i < count; i += VL) {
      const vf left = combined(GREATEST, lowest, v_load_even(greater + 2 * i), 0);
      store_part(y + i, combined(GREATEST, left, v_load_even(greater + 2 * i + 1), 0), least(VL, count - i));
    }
    y += count;
  }
}

void KERNEL(max_pool_f32)(const adze_window2d *w, const float *image, float *y) {
  const bool is_2x2 = w->kernel_height == 2 && w->kernel_width == 2 && w->stride_height == 2 && w->stride_width == 2
    && w->dilation_height == 1 && w->dilation_width == 1;
  const bool is_inside = w->pad_top == 0 && w->pad_left == 0 && 2 * w->output_height <= w->height
    && 2 * w->output_width <= w->width;
  if (is_2x2 && is_inside && w->output_width > 0 && w->output_width <= RING / 2) {
    max_pool_2x2(w, image, y);
    return;
  }
  const vf unused = v_set1(0);
  slide(GREATEST, w, image, -FLT_MAX, NULL, -FLT_MAX, unused, unused, y, 0, w->output_height);
}

/// Window elements along one axis that lie in [low, high).
ALWAYS_INLINE ptrdiff_t window_count(
  ptrdiff_t start, ptrdiff_t dilation, ptrdiff_t kernel, ptrdiff_t low, ptrdiff_t high) {
  ptrdiff_t count = 0;
  for (ptrdiff_t i = 0; i < kernel; i++) {
    const ptrdiff_t at = start + i * dilation;
    count += at >= low && at < high;
  }
  return count;
}

void KERNEL(average_pool_f32)(
  const adze_window2d *w, const float *image, bool includes_padding, ptrdiff_t pad_bottom, ptrdiff_t pad_right,
  float *y) {
  const vf unused = v_set1(0);
  slide(SUMMED, w, image, 0, NULL, 0, unused, unused, y, 0, w->output_height);
  const ptrdiff_t top = includes_padding ? -w->pad_top : 0, left = includes_padding ? -w->pad_left : 0;
  const ptrdiff_t bottom = w->height + (includes_padding ? pad_bottom : 0);
  const ptrdiff_t right = w->width + (includes_padding ? pad_right : 0);
  // Between the first and the last column whose whole window counts, all divide by the same number.
  ptrdiff_t begin, end, first_end, last_begin;
  const ptrdiff_t reach = (w->kernel_width - 1) * w->dilation_width;
  inside(-w->pad_left - left, w->stride_width, right - left, w->output_width, &begin, &first_end);
  inside(reach - w->pad_left - left, w->stride_width, right - left, w->output_width, &last_begin, &end);
  end = most(begin, end);
  for (ptrdiff_t row = 0; row < w->output_height; row++, y += w->output_width) {
    const ptrdiff_t start = row * w->stride_height - w->pad_top;
    const ptrdiff_t rows = window_count(start, w->dilation_height, w->kernel_height, top, bottom);
    for (ptrdiff_t x = 0; x < w->output_width; x++) {
      if (x == begin) x = end;
      if (x == w->output_width) break;
      const ptrdiff_t ix = x * w->stride_width - w->pad_left;
      y[x] /= (float)(rows * window_count(ix, w->dilation_width, w->kernel_width, left, right));
    }
    const vf count = v_set1((float)(rows * w->kernel_width));
    for (ptrdiff_t x = begin; x < end; x += VL) {
      const ptrdiff_t part = least(VL, end - x);
      store_part(y + x, load_part(y + x, part) / count, part);
    }
  }
}
