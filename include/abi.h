/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * abi: all that BPF programs and userspace share: map values, limits, causes of drops. Exact widths,
 * padding named, sizes asserted. Include vmlinux.h or <linux/types.h> first.
 */
#ifndef MODELGOV_ABI_H
#define MODELGOV_ABI_H

/*
 * Run-queue wait histogram: log-linear, 16 buckets per power of two, relative error at most 1/16.
 * Slots 0-15 are 0-15 ns exactly; then slot = 16 + (e - 4) * 16 + next four bits, e = floor(log2 ns);
 * the last slot takes everything from 2^36 ns (68 s) on.
 */
#define WAIT_SUB_BITS 4
#define WAIT_MAX_EXPONENT 36
#define WAIT_SLOTS (16 + (WAIT_MAX_EXPONENT - 4) * 16)

#endif
