/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary */
#include "sio_packet.h"
