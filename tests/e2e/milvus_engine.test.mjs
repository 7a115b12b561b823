// SPDX-License-Identifier: GPL-3.0-or-later
// What is sent to Milvus under a filter, run on Milvus Lite: milvus-lite and pymilvus from PyPI, in the python that SALLYPORT_PYTHON names. Skipped without them.
// One thread.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { repository, sallyport, temporary } from './lib/files.mjs'

const python = process.env.SALLYPORT_PYTHON ?? 'python3'
const pairs = path.join(path.dirname(sallyport), 'tests/unit/api/test_confine_expressions')

test('Milvus Lite finds under a filter what was asked for and is the tenant\'s', t => {
  if (!fs.existsSync(pairs)) return t.skip(`${pairs} is not built`)
  if (spawnSync(python, ['-c', 'import milvus_lite, pymilvus']).status !== 0) return t.skip(`${python} has no milvus-lite and pymilvus`)
  const file = path.join(temporary('engine'), 'pairs.tsv')
  const made = spawnSync(pairs, [], { env: { ...process.env, SALLYPORT_PAIRS: file }, encoding: 'utf8' })
  assert.equal(made.status, 0, made.stderr)
  const ran = spawnSync(python, [path.join(repository, 'tests/e2e/drivers/milvus_engine.py'), file], { encoding: 'utf8' })
  assert.equal(ran.status, 0, ran.stderr)
  const counts = JSON.parse(ran.stdout)
  console.log(`# ${ran.stdout.trim()}`)
  assert.ok(counts.compared > 500 && counts.found > counts.compared)
})
