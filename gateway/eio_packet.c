/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary */
#include "eio_packet.h"
