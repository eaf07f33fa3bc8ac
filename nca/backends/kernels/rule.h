// The rule and the grid that a kernel works on. Sizes and filters are compile-time constants, so every
// inner loop has known bounds, and zeros in filters cost nothing.
#pragma once

#include <cstring>
#include <vector>

#include "lanes.h"

#ifndef NCA_CHANNELS
#error "compile with -DNCA_CHANNELS=C -DNCA_HIDDEN=H -DNCA_FILTER_COUNT=K -DNCA_FILTERS=a,b,c,... -DNCA_DILATIONS=a,b,..."
#endif

constexpr int CHANNELS = NCA_CHANNELS, HIDDEN = NCA_HIDDEN, FILTERS = NCA_FILTER_COUNT;
constexpr int PERCEPTION = CHANNELS * FILTERS;
constexpr float FILTER[FILTERS][3][3] = {NCA_FILTERS};
constexpr int DILATION[FILTERS] = {NCA_DILATIONS};   // cells between the taps of each filter, in ascending order
constexpr int REACH = DILATION[FILTERS - 1];         // how many cells away a cell can see

constexpr bool has_dilation(int dilation) {
    for (int own : DILATION)
        if (own == dilation) return true;
    return false;
}

enum Padding : int64_t { CIRCULAR, ZEROS, REFLECT, REPLICATE };

// Arguments from Python. Pointers refer to dense float32 arrays (masks: bytes, 0 or 1) of the given
// shapes.
struct Problem {
    int64_t steps, batch, height, width, padding;
    int64_t threads;    // maximum number of threads
    int64_t keep_all;   // whether to keep every state, for the backward pass, or only two
    int64_t bfloat16;   // whether to multiply in bfloat16
    const float *w1, *b1, *w2, *b2;  // [hidden, C*K], [hidden], [C, hidden], [C] or null
    const uint8_t* masks;            // [steps, batch, height, width]
    float* states;                   // workspace: batch * nca_state_floats() floats per kept state
    float hidden_clip;
};

// One plane of cells with a border REACH cells wide. `origin` points to cell (0, 0). `row` is the distance
// between rows, and `cell` is the size of a cell, both in floats.
struct Plane {
    float* origin;
    ptrdiff_t row;
    int cell;
};

// The position, 0 to n - 1, from which a border position is copied; -1: the border is zero. n is above REACH.
inline int border_source(int position, int n, int64_t padding) {
    const bool before = position < 0;
    if (padding == CIRCULAR) return before ? position + n : position - n;
    if (padding == REPLICATE) return before ? 0 : n - 1;
    if (padding == REFLECT) return before ? -position : 2 * n - 2 - position;
    return -1;
}

// Call work(position) for the border positions next to 0 ... n - 1.
template <class Work> inline void for_each_border(int n, Work work) {
    for (int i = 0; i < REACH; ++i) {
        work(-1 - i);
        work(n + i);
    }
}

// Fill the border as the padding requires. Columns come first, so that rows then include the corners.
inline void fill_border(const Plane& plane, int height, int width, int64_t padding) {
    const auto copy = [](float* to, const float* from, size_t n) {
        if (from) std::memcpy(to, from, n * sizeof(float));
        else std::memset(to, 0, n * sizeof(float));
    };
    for_each_border(width, [&](int x) {
        const int source = border_source(x, width, padding);
        for (int y = 0; y < height; ++y) {
            float* row = plane.origin + y * plane.row;
            copy(row + x * plane.cell, source < 0 ? nullptr : row + source * plane.cell, plane.cell);
        }
    });
    for_each_border(height, [&](int y) {
        const int source = border_source(y, height, padding);
        float* row = plane.origin - REACH * plane.cell;
        copy(row + y * plane.row, source < 0 ? nullptr : row + source * plane.row, (width + 2 * REACH) * plane.cell);
    });
}

// The transpose of fill_border: move gradients from the border to the cells that the border was copied from.
inline void fold_border(const Plane& plane, int height, int width, int64_t padding) {
    const auto move = [](float* to, float* from, int n) {
        for (int i = 0; i < n; ++i) {
            if (to) to[i] += from[i];
            from[i] = 0;
        }
    };
    for_each_border(height, [&](int y) {
        const int source = border_source(y, height, padding);
        float* row = plane.origin - REACH * plane.cell;
        move(source < 0 ? nullptr : row + source * plane.row, row + y * plane.row, (width + 2 * REACH) * plane.cell);
    });
    for_each_border(width, [&](int x) {
        const int source = border_source(x, width, padding);
        for (int y = 0; y < height; ++y) {
            float* row = plane.origin + y * plane.row;
            move(source < 0 ? nullptr : row + source * plane.cell, row + x * plane.cell, plane.cell);
        }
    });
}

// Apply every filter k to the neighborhood of `cell`, and call finish(k, value). `row` and `column` are
// the distances between rows and between columns, in floats.
template <class Finish> inline void perceive(const float* cell, ptrdiff_t row, ptrdiff_t column, Finish finish) {
    Floats near[3][3];
    UNROLL for (int k = 0; k < FILTERS; ++k) {
        if (k == 0 || DILATION[k] != DILATION[k - 1])
            UNROLL for (int y = 0; y < 3; ++y) UNROLL for (int x = 0; x < 3; ++x) {
                near[y][x] = load(cell + (y - 1) * DILATION[k] * row + (x - 1) * DILATION[k] * column);
                pin(near[y][x]);
            }
        Floats sum = {};
        UNROLL for (int y = 0; y < 3; ++y) UNROLL for (int x = 0; x < 3; ++x)
            if (FILTER[k][y][x] != 0) sum += FILTER[k][y][x] * near[y][x];
        finish(k, sum);
    }
}

// Gradients of one sample, in the layout of the torch tensors, and in double because they are summed
// over all steps.
struct Gradients {
    std::vector<double> w1 = std::vector<double>(HIDDEN * PERCEPTION), b1 = std::vector<double>(HIDDEN),
                        w2 = std::vector<double>(CHANNELS * HIDDEN), b2 = std::vector<double>(CHANNELS);
};
