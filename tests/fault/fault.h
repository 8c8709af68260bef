/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Runs a piece of code again and again, each time with another of its allocations failing, and checks that it
 * survives, reports what happened and loses no memory. Allocations of the calling thread only.
 */
#ifndef POLLEN8_TESTS_FAULT_H
#define POLLEN8_TESTS_FAULT_H

#include "common/status.h"

/* Does its work from start to end, frees everything, and returns STATUS_OK, or what the first failing call
 * gave. It may succeed in spite of a failed allocation where the code under test has a stated fallback. */
typedef enum status fault_body(void);

/* Fails the running cmocka test where the body returns anything but STATUS_OK or STATUS_NO_MEMORY, leaves
 * memory behind, or returns STATUS_NO_MEMORY without a failure; also where it never allocates at least
 * `least` times: a sweep over nothing proves nothing. */
void fault_sweep(fault_body *body, unsigned least);

/* As fault_sweep, and every failed allocation must come back as STATUS_NO_MEMORY: no fallback. */
void fault_sweep_strict(fault_body *body, unsigned least);

/* Fails the running test where the body allocates at all, or does not return STATUS_OK. */
void fault_expect_none(fault_body *body);

#endif
