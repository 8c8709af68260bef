/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary */
#include "handshake.h"
