/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Digits until something else comes; no overflow is looked for: the numbers are our own publishers'.
 */
#include "load_number.h"

uint64_t read_number(const char **at, const char *end)
{
    uint64_t number = 0;

    while (*at < end && **at >= '0' && **at <= '9')
        number = number * 10 + (uint64_t)(*(*at)++ - '0');
    return number;
}

uint64_t read_hundredths(const char *at, const char *end)
{
    uint64_t value = read_number(&at, end) * 100;

    if (end - at > 1 && at[0] == '.') {
        const char *fraction = ++at;
        uint64_t digits = read_number(&at, end);
        value += at - fraction == 1 ? digits * 10 : digits;
    }
    return value;
}
