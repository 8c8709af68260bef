/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Names and ids that both gateway and services must judge alike: event names from clients, user ids. Pure.
 * Any thread.
 */
#ifndef POLLEN8_COMMON_NAMES_H
#define POLLEN8_COMMON_NAMES_H

#include <stdint.h>

#include "common/slice.h"

#define ID_MAXIMUM_BYTES         128
#define EVENT_NAME_MAXIMUM_BYTES 64

/* [A-Za-z0-9_:.-]{1,64} with no empty part between dots: safe as a subject's tail. */
bool event_name_valid(struct slice name);

/* 1..128 bytes of clean UTF-8 (utf8_clean). Dots, `*`, `>`, `}`, spaces, any script are legal. */
bool id_valid(struct slice id);

/* A 64-bit hash for names of deliveries and rooms (not cryptographic, the same in every process). */
uint64_t hash64(const void *data, size_t length, uint64_t seed);

#endif
