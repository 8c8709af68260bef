// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
// The tables (*.def) that the services are built from.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '../../..');

/** The path of a service's table, in whichever of its rooms it stands. */
function tablePath(service, name) {
  const found = fs.readdirSync(path.join(root, service), { recursive: true })
    .find((entry) => path.basename(entry) === name);
  if (!found) throw new Error(`${service}/ has no ${name}`);
  return path.join(root, service, found);
}

module.exports = { tablePath };
