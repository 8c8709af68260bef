/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Random numbers that come again with the same seed (splitmix64). One thread.
 */
#ifndef POLLEN8_CHAOS_DICE_H
#define POLLEN8_CHAOS_DICE_H

#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_roll(struct dice *dice)
{
    uint64_t mixed = dice->state += 0x9e3779b97f4a7c15U;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31);
}

/* In [low, high). */
static inline uint64_t dice_between(struct dice *dice, uint64_t low, uint64_t high)
{
    return low + dice_roll(dice) % (high - low);
}

#endif
