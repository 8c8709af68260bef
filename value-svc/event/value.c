/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A signed sum of connection changes -> hundredths -> decimal text.
 */
#include "event/value.h"

#include <inttypes.h>
#include <stdio.h>

int64_t value_connections(int64_t sum)
{
    if (sum < 0)
        return 0;
    return sum > VALUE_CONNECTIONS_MAXIMUM ? VALUE_CONNECTIONS_MAXIMUM : sum;
}

int64_t value_hundredths(int64_t sum)
{
    return value_connections(sum) * VALUE_HUNDREDTHS_EACH; /* 2^53 x 314 stays below 2^63 */
}

size_t value_format(int64_t sum, char out[VALUE_TEXT_SIZE])
{
    int64_t hundredths = value_hundredths(sum);
    int64_t whole = hundredths / 100;
    int fraction = (int)(hundredths % 100);
    int length;
    if (fraction == 0)
        length = snprintf(out, VALUE_TEXT_SIZE, "%" PRId64, whole);
    else if (fraction % 10 == 0)
        length = snprintf(out, VALUE_TEXT_SIZE, "%" PRId64 ".%d", whole, fraction / 10);
    else
        length = snprintf(out, VALUE_TEXT_SIZE, "%" PRId64 ".%02d", whole, fraction);
    return (size_t)length;
}
