/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary */
#include "ws_proto.h"
