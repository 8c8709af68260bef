/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Checks of text from outside (RFC 3629), pure. Any thread.
 */
#ifndef POLLEN8_COMMON_UTF8_H
#define POLLEN8_COMMON_UTF8_H

#include "common/slice.h"

/* No overlong forms, surrogates, code points past U+10FFFF or cut-off sequences. */
bool utf8_valid(struct slice text);

/* Valid UTF-8 and no control character: U+0000..U+001F, U+007F, U+0080..U+009F. */
bool utf8_clean(struct slice text);

#endif
