/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * common: what every program in bpf/ starts with: the kernel's types, the helpers, small arithmetic.
 */
#ifndef MODELGOV_COMMON_BPF_H
#define MODELGOV_COMMON_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "abi.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static __always_inline __u64 min_u64(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

static __always_inline __u64 max_u64(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

/* Fibonacci hashing: the top bits of a product with 2^64 over the golden ratio. */
static __always_inline __u32 hash_bits(__u64 value, __u32 bits)
{
	return (value * 0x9e3779b97f4a7c15ULL) >> (64 - bits);
}

/*
 * floor(log2(v)), v > 0. BPF has no instruction for it: six steps that halve the field. The barrier keeps the
 * compiler from turning each step's branch, which is nearly always foreseen, into two.
 */
static __always_inline __u32 log2_floor(__u64 v)
{
	__u32 e = 0;

#define STEP(bits)                                                                                \
	if (v >> (bits)) {                                                                        \
		v >>= (bits);                                                                     \
		e += (bits);                                                                      \
		barrier_var(v);                                                                   \
	}
	STEP(32)
	STEP(16)
	STEP(8)
	STEP(4)
	STEP(2)
#undef STEP
	return e + (v >> 1);
}

#endif
