/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Memory for one message that is put together and packed: taken piece by piece, freed at once. Pure.
 */
#ifndef POLLEN8_GATEWAY_PARCEL_H
#define POLLEN8_GATEWAY_PARCEL_H

#include <stddef.h>

/* Zero it to start. */
struct parcel {
    struct parcel_block *blocks;
};

/* Zeroed; NULL where memory is short. */
void *parcel_take(struct parcel *parcel, size_t size);

/* A list of pointers to `count` pieces of `size` bytes (a multiple of 8) each, as a repeated field wants it.
 */
void **parcel_take_list(struct parcel *parcel, size_t count, size_t size);

void parcel_done(struct parcel *parcel);

#endif
