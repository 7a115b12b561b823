// SPDX-License-Identifier: GPL-3.0-or-later
// What is sent to Qdrant under a filter, run on Qdrant's own engine: qdrant-edge-py from PyPI, in the python that SALLYPORT_PYTHON names. Skipped without it.
// One thread.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { repository, sallyport, temporary } from './lib/files.mjs'

const python = process.env.SALLYPORT_PYTHON ?? 'python3'
const pairs = path.join(path.dirname(sallyport), 'tests/unit/api/test_confine_random')

test('the engine finds under a filter what was asked for and is the tenant\'s, and changes nothing else', t => {
  if (!fs.existsSync(pairs)) return t.skip(`${pairs} is not built`)
  if (spawnSync(python, ['-c', 'import qdrant_edge']).status !== 0) return t.skip(`${python} has no qdrant-edge-py`)
  const file = path.join(temporary('engine'), 'pairs.tsv')
  const made = spawnSync(pairs, [], { env: { ...process.env, SALLYPORT_PAIRS: file }, encoding: 'utf8' })
  assert.equal(made.status, 0, made.stderr)
  const ran = spawnSync(python, [path.join(repository, 'tests/e2e/drivers/qdrant_engine.py'), file], { encoding: 'utf8' })
  assert.equal(ran.status, 0, ran.stderr)
  const counts = JSON.parse(ran.stdout)
  console.log(`# ${ran.stdout.trim()}`)
  assert.ok(counts.compared > 1000 && counts.found > counts.compared && counts.narrower < counts.compared / 100)
})
