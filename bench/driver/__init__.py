# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
