/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What Redis does when its memory is full. Keys are state, not a cache: after an eviction a count is wrong,
 * and nothing else shows it. Statuses are store.h's.
 */
#ifndef POLLEN8_VALUE_SVC_STORE_STORE_MEMORY_H
#define POLLEN8_VALUE_SVC_STORE_STORE_MEMORY_H

#include "store/store.h"

struct store_memory {
    char policy[32];  /* maxmemory-policy; "": Redis does not say */
    bool evicts;      /* the policy is not noeviction */
    uint64_t evicted; /* keys, since Redis started or CONFIG RESETSTAT */
};

enum status store_memory_look(struct store *store, struct store_memory *ret_memory);

#endif
