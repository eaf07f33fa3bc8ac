// Many steps of a rule, forward and backward, for whole batches; loaded by nca/backends/native.py.
//
// The backward pass recomputes each step from the saved state before it, so only states are stored.
// Each sample is computed by one thread and has its own gradient sums. These are added up at the end,
// in the order of the samples, so the result is bit-identical for any number of threads.

#include <atomic>
#include <memory>
#include <new>
#include <system_error>
#include <thread>

#include "cells.h"
#include "planes.h"

namespace {

enum Status { DONE = 0, OUT_OF_MEMORY = 1 };

// Rule sizes for which Planes was faster than Cells: 4 channels with up to 32 hidden units, 8
// with up to 16, 12 with up to 8. Planes has a border of one cell, so it cannot compute dilated filters.
constexpr bool SMALL = REACH == 1 && PERCEPTION * HIDDEN <= 512 && PERCEPTION <= 64;

// Run work(sample, scratch) for every sample. The calling thread takes part; if the system cannot
// start other threads, the calling thread does all the work.
template <class MakeScratch, class Work> int for_each_sample(const Problem& p, MakeScratch scratch, Work work) {
    std::atomic<int64_t> next{0};
    std::atomic<int> status{DONE};
    const auto take = [&] {
        try {
            auto own = scratch();
            for (int64_t i = next++; i < p.batch; i = next++) work(i, *own);
        } catch (const std::bad_alloc&) {
            status = OUT_OF_MEMORY;
        }
    };
    std::vector<std::thread> helpers;
    try {
        for (int64_t i = 1; i < p.threads && i < p.batch; ++i) helpers.emplace_back(take);
    } catch (const std::system_error&) {
    }
    take();
    for (std::thread& helper : helpers) helper.join();
    return status;
}

template <class Kernel> struct Unroll {
    using Weights = typename Kernel::Weights;
    using Scratch = typename Kernel::Scratch;

    static int forward(const Problem& p, const float* first, float* last) {
        const Weights weights(p);
        const int64_t size = Kernel::state_floats(p.height, p.width), cells = p.height * p.width;
        const auto slot = [&](int64_t step, int64_t sample) {
            return p.states + ((p.keep_all ? step : step % 2) * p.batch + sample) * size;
        };
        return for_each_sample(
            p, [&] { return std::make_unique<Scratch>(p); },
            [&](int64_t i, Scratch& scratch) {
                Kernel::read(p, first + i * CHANNELS * cells, slot(0, i));
                Kernel::show_border(p, slot(0, i));
                for (int64_t t = 0; t < p.steps; ++t)
                    Kernel::forward(p, weights, scratch, slot(t, i), slot(t + 1, i),
                                    p.masks + (t * p.batch + i) * cells);
                Kernel::write(p, slot(p.steps, i), last + i * CHANNELS * cells);
            });
    }

    struct Own {
        Scratch scratch;
        std::vector<float> d_next, d_state;
        explicit Own(const Problem& p)
            : scratch(p), d_next(Kernel::state_floats(p.height, p.width)), d_state(d_next.size()) {}
    };

    static int backward(const Problem& p, const float* d_last, float* d_first, std::vector<Gradients>& sums) {
        const Weights weights(p);
        const int64_t size = Kernel::state_floats(p.height, p.width), cells = p.height * p.width;
        return for_each_sample(
            p, [&] { return std::make_unique<Own>(p); },
            [&](int64_t i, Own& own) {
                float *d_next = own.d_next.data(), *d_state = own.d_state.data();
                Kernel::read(p, d_last + i * CHANNELS * cells, d_next);
                for (int64_t t = p.steps - 1; t >= 0; --t) {
                    Kernel::backward(p, weights, own.scratch, p.states + (t * p.batch + i) * size, d_next, d_state,
                                     p.masks + (t * p.batch + i) * cells, sums[i]);
                    std::swap(d_next, d_state);
                }
                Kernel::write(p, d_next, d_first + i * CHANNELS * cells);
            });
    }
};

// Call a function with the kernel that fits the rule and the precision.
template <class Call> int with_kernel(bool bfloat16, Call call) {
    if constexpr (SMALL) return call(Unroll<Planes>());
#if HAS_BFLOAT16
    else if (bfloat16) return call(Unroll<Cells<Pair>>());
#endif
    else return call(Unroll<Cells<float>>());
}

// The same hash as in nca/rng.py.
inline uint32_t pcg_hash(uint32_t value) {
    const uint32_t state = value * 747796405u + 2891336453u;
    const uint32_t word = ((state >> ((state >> 28) + 4)) ^ state) * 277803737u;
    return (word >> 22) ^ word;
}

}  // namespace

extern "C" {

EXPORTED int64_t nca_lanes() { return LANES; }

// Whether requesting bfloat16 makes a difference.
EXPORTED int64_t nca_has_bfloat16() { return HAS_BFLOAT16 && !SMALL; }

// Number of floats that one state of one sample occupies in the workspace.
EXPORTED int64_t nca_state_floats(int64_t height, int64_t width) {
    return SMALL ? Planes::state_floats(height, width) : Cells<float>::state_floats(height, width);
}

// Compute which cells fire in a step, [height, width] bytes: those whose hash is below the threshold.
EXPORTED void nca_fire_mask(uint8_t* mask, int64_t height, int64_t width, uint32_t base, uint64_t threshold) {
    for (uint32_t y = 0; y < height; ++y) {
        const uint32_t row = pcg_hash(y + base);
        for (uint32_t x = 0; x < width; ++x) *mask++ = pcg_hash(x + row) < threshold;
    }
}

// first, last: [batch, C, height, width].
EXPORTED int64_t nca_forward(const Problem* problem, const float* first, float* last) try {
    return with_kernel(problem->bfloat16, [&](auto unroll) { return unroll.forward(*problem, first, last); });
} catch (const std::bad_alloc&) {
    return OUT_OF_MEMORY;
}

// d_last, d_first: [batch, C, height, width]; the other gradients have the shapes of their weights.
EXPORTED int64_t nca_backward(const Problem* problem, const float* d_last, float* d_first, float* d_w1, float* d_b1,
                     float* d_w2, float* d_b2) try {
    std::vector<Gradients> samples(problem->batch);
    const int status = with_kernel(
        problem->bfloat16, [&](auto unroll) { return unroll.backward(*problem, d_last, d_first, samples); });
    const auto total = [&](std::vector<double> Gradients::*part, float* out) {
        for (size_t i = 0, count = (Gradients().*part).size(); i < count; ++i) {
            double sum = 0;
            for (const Gradients& sample : samples) sum += (sample.*part)[i];
            out[i] = static_cast<float>(sum);
        }
    };
    total(&Gradients::w1, d_w1);
    total(&Gradients::b1, d_b1);
    total(&Gradients::w2, d_w2);
    total(&Gradients::b2, d_b2);
    return status;
} catch (const std::bad_alloc&) {
    return OUT_OF_MEMORY;
}

}
