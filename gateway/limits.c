/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary */
#include "limits.h"
