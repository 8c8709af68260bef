/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary */
#include "json_scan.h"
