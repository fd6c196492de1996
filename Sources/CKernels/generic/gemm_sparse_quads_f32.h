// Product with weights of which blocks of 1 x 4 (k x n) may be missing: four neighbouring columns, as pruners that keep or
// drop four output channels together leave them. Vectorised over rows as gemm_sparse_f32.h is, which is included before: a
// loaded vector of A meets four weights.
//
// Packed: byte offsets of the panels (int64, one more than panels); of a panel, chunk by chunk, the ends of its quads'
// entries [chunks][QUADS] (int32, counted from the panel's first entry), then the entries.

#define QUADS (COLUMNS / 4)
// Vectors of rows that go together: four columns of them stay in registers.
#define TOGETHER (VL < 16 ? 2 : 4)

typedef struct {
  int32_t k;  // inside the chunk
  float weights[4];
} quad_entry;

typedef struct {
  const int32_t *ends;
  const quad_entry *entries;
} quad_panel;

ALWAYS_INLINE quad_panel quad_panel_at(const void *packed, ptrdiff_t k, ptrdiff_t panel) {
  const void *start = (const char *)packed + ((const int64_t *)packed)[panel];
  const int32_t *ends = start;
  const void *entries = ends + chunk_count(k) * QUADS;
  return (quad_panel){ends, entries};
}

/// Entries [begin, end) of one quad for `count` vectors of rows; column c of y lies c * width on.
ALWAYS_INLINE void quad_entries(
  const int count, const quad_entry *begin, const quad_entry *end, ptrdiff_t width, const float *a, bool resumes, float *y) {
  vf acc[4][TOGETHER];
  UNROLL for (int c = 0; c < 4; c++) {
    UNROLL for (int v = 0; v < count; v++) acc[c][v] = resumes ? v_load(y + c * width + v * VL) : v_set1(0);
  }
  for (const quad_entry *e = begin; e < end; e++) {
    vf x[TOGETHER];
    UNROLL for (int v = 0; v < count; v++) x[v] = v_load(a + e->k * width + v * VL);
    UNROLL for (int c = 0; c < 4; c++) {
      const vf weight = v_set1(e->weights[c]);
      UNROLL for (int v = 0; v < count; v++) acc[c][v] = v_fma(x[v], weight, acc[c][v]);
    }
  }
  UNROLL for (int c = 0; c < 4; c++) {
    UNROLL for (int v = 0; v < count; v++) v_store(y + c * width + v * VL, acc[c][v]);
  }
}

/// One panel: y [COLUMNS][vectors * VL].
static void sparse_quads(
  ptrdiff_t vectors, const quad_panel *p, ptrdiff_t k, ptrdiff_t columns, const float *turned, float *y) {
  const ptrdiff_t width = vectors * VL, quads = (columns + 3) / 4;
  const quad_entry *entry = p->entries;
  for (ptrdiff_t chunk = 0; chunk < chunk_count(k); chunk++) {
    const float *a = turned + chunk * CHUNK * width;
    for (ptrdiff_t q = 0; q < quads; q++) {
      const quad_entry *end = p->entries + p->ends[chunk * QUADS + q];
      float *to = y + q * 4 * width;
      ptrdiff_t v = 0;
      for (; v + TOGETHER <= vectors; v += TOGETHER) {
        quad_entries(TOGETHER, entry, end, width, a + v * VL, chunk > 0, to + v * VL);
      }
      if (TOGETHER > 2 && v + 2 <= vectors) {
        quad_entries(2, entry, end, width, a + v * VL, chunk > 0, to + v * VL);
        v += 2;
      }
      if (v < vectors) quad_entries(1, entry, end, width, a + v * VL, chunk > 0, to + v * VL);
      entry = end;
    }
    entry = p->entries + p->ends[chunk * QUADS + QUADS - 1];
  }
}

void KERNEL(gemm_sparse_quads_f32)(
  const adze_gemm_sparse_f32 *g, float *scratch, ptrdiff_t row_begin, ptrdiff_t row_end, ptrdiff_t panel_begin,
  ptrdiff_t panel_end) {
  _Alignas(64) float y[COLUMNS * ROWS];
  const ptrdiff_t column_end = least(panel_end * COLUMNS, g->n);
  for (ptrdiff_t row = row_begin; row < row_end; row += ROWS) {
    const ptrdiff_t rows = least(ROWS, row_end - row), vectors = (rows + VL - 1) / VL;
    turn_rows(g, row, rows, vectors * VL, scratch);
    if (g->k == 0) memset(y, 0, sizeof y);
    for (ptrdiff_t panel = panel_begin; panel < panel_end; panel++) {
      const ptrdiff_t column = panel * COLUMNS, columns = least(COLUMNS, column_end - column);
      const quad_panel p = quad_panel_at(g->b_packed, g->k, panel);
      sparse_quads(vectors, &p, g->k, columns, scratch, y);
      store_rows(g, row, rows, column, columns, vectors * VL, y);
      finish_part(&g->epilogue, g->c, g->c_row_stride, row, row + rows, column, columns);
    }
    activate_part(&g->epilogue, g->c, g->c_row_stride, row, row + rows, panel_begin * COLUMNS, column_end);
  }
}

/// Weights of columns that B lacks are zero.
ALWAYS_INLINE bool read_quad(const sparse_source *from, ptrdiff_t k, ptrdiff_t column, int32_t place, void *entry) {
  quad_entry e = {place, {0}};
  bool any = false;
  for (ptrdiff_t c = 0; c < least(4, from->n - column); c++) {
    e.weights[c] = from->b[k * from->k_stride + (column + c) * from->n_stride];
    any = any || e.weights[c] != 0;
  }
  memcpy(entry, &e, sizeof e);
  return any;
}

ptrdiff_t KERNEL(pack_b_sparse_quads_f32)(
  const float *b, ptrdiff_t k_stride, ptrdiff_t n_stride, ptrdiff_t k, ptrdiff_t n, void *packed) {
  return pack_entries(&(sparse_source){b, k_stride, n_stride, k, n}, 4, sizeof(quad_entry), read_quad, packed);
}
