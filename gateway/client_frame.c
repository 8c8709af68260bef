/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary */
#include "client_frame.h"
