#!/usr/bin/env node
// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
'use strict';

// Runs test files (all of this folder, or those named), a few at a time: they wait more than they work.
// The last line is `N passed, N failed[, N skipped]`.
//
//   node run.js [--jobs N] [FILE...]

const fs = require('node:fs');
const path = require('node:path');
const { run } = require('node:test');
const { spec: Spec } = require('node:test/reporters');

function parse(argv) {
  const options = { jobs: Number(process.env.POLLEN8_TEST_JOBS || 3), files: [] };
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--jobs') options.jobs = Number(argv[++i]);
    else options.files.push(path.resolve(argv[i]));
  }
  if (!options.files.length) {
    options.files = fs.readdirSync(__dirname).filter((name) => name.endsWith('.test.js')).sort()
      .map((name) => path.join(__dirname, name));
  }
  return options;
}

const { jobs, files } = parse(process.argv.slice(2));
const counts = { passed: 0, failed: 0, skipped: 0 };
const isSuite = (data) => data.details && data.details.type === 'suite';
// A file is itself reported as a test; it counts only where it failed without any test of it failing.
const isFile = (data) => files.includes(path.resolve(data.name)) || data.name.endsWith('.test.js');
let failedInside = 0;

const stream = run({ files, concurrency: jobs });
stream.on('test:pass', (data) => {
  if (isSuite(data) && !data.skip) return;
  if (isFile(data)) return;
  if (data.skip !== undefined) counts.skipped++;
  else counts.passed++;
});
stream.on('test:fail', (data) => {
  process.exitCode = 1;
  // A suite fails with its tests, which are counted, or by its own hooks, which are not.
  if (isSuite(data) && data.details.error && data.details.error.failureType === 'subtestsFailed') return;
  if (isFile(data)) {
    if (!failedInside) counts.failed++;
    failedInside = 0;
    return;
  }
  failedInside++;
  counts.failed++;
});
stream.on('end', () => {
  process.once('beforeExit', () => {
    const skipped = counts.skipped ? `, ${counts.skipped} skipped` : '';
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`);
  });
});
stream.compose(new Spec()).pipe(process.stdout);
