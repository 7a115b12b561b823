// SPDX-License-Identifier: GPL-3.0-or-later
// What deploy/monitoring has is of use with what a running gateway says: promtool finds nothing wrong with rules, their tests and the live page, and every metric that a rule, a panel or
// the documentation names is there.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { plain } from './lib/client.mjs'
import { World } from './lib/gateway.mjs'
import { fromDistribution } from './lib/packages.mjs'
import { dumpLogs } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const top = fileURLToPath(new URL('../..', import.meta.url))
const read = file => fs.readFileSync(path.join(top, file), 'utf8')
const RULES = 'deploy/monitoring/alerts.yaml'
const DASHBOARD = 'deploy/monitoring/dashboard.json'

const promtool = (() => {
  for (const file of [process.env.SALLYPORT_PROMTOOL, ...process.env.PATH.split(':').map(p => path.join(p, 'promtool'))]) if (file && fs.existsSync(file)) return { file }
  const { folder, missing } = fromDistribution('prometheus')
  return folder ? { file: path.join(folder, 'usr/bin/promtool') } : { missing }
})()

function check(args, input) {
  const ran = spawnSync(promtool.file, args, { cwd: top, input, encoding: 'utf8', timeout: 60000 })
  assert.equal(ran.status, 0, `promtool ${args.join(' ')}:\n${ran.stdout}${ran.stderr}${ran.error ?? ''}`)
  return ran.stdout + ran.stderr
}

// Metrics by what they are called, as docs/metrics.md has them.
const documented = new Map([...read('docs/metrics.md').matchAll(/^\| `(sallyport_\w+)` \| (\w+) \| ([\w, ]*) \|/gm)].map(m => [m[1], { type: m[2], labels: m[3].split(', ').filter(Boolean) }]))
const family = name => documented.has(name) ? name : [...documented].find(([n, { type }]) => type === 'histogram' && name.match(`^${n}_(bucket|sum|count)$`))?.[0]
const used = text => [...new Set(text.match(/\bsallyport_\w+/g))]

let w, shard

before(async () => {
  shard = await Upstream.start()
  w = await World.make('monitoring', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  await w.start()
  const client = await w.workload('client')
  for (let i = 0; i < 3; i++) await client.get('/collections/docs')
  await client.get('/nowhere')
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

test('promtool: the rules are rules, and their tests pass', { skip: promtool.missing }, () => {
  check(['check', 'rules', RULES])
  check(['test', 'rules', 'deploy/monitoring/alerts_test.yaml', 'deploy/monitoring/alerts_days_test.yaml'])
})

test('promtool: nothing is wrong with the live page', { skip: promtool.missing }, async () => {
  const { text } = await plain(w.operations, '/metrics')
  assert.equal(check(['check', 'metrics'], text).trim(), '')
})

test('promtool: every expression of the dashboard is one', { skip: promtool.missing }, () => {
  const expressions = JSON.parse(read(DASHBOARD)).panels.flatMap(p => p.targets ?? []).map(t => t.expr.replaceAll('$__rate_interval', '5m'))
  assert.ok(expressions.length > 30)
  const file = w.at('dashboard.yaml')
  fs.writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: expressions.map((expr, i) => ({ record: `panel:${i}`, expr })) }] }))
  check(['check', 'rules', file])
})

test('every metric of rules and dashboard is there, with its labels, and every one of the page is documented', async () => {
  for (const file of [RULES, DASHBOARD]) {
    const text = read(file)
    assert.ok(used(text).length > 10)
    for (const name of used(text)) assert.ok(family(name), `${file} names ${name}, which there is not`)
    for (const [, name, selector] of text.replaceAll('\\"', '"').matchAll(/\b(sallyport_\w+)\{([^}]*)\}/g)) {
      for (const [, label] of selector.matchAll(/(\w+)[=!]~?"/g)) {
        assert.ok([...documented.get(family(name)).labels, 'instance'].includes(label), `${file}: ${name} has no label ${label}`)
      }
    }
  }
  const { text } = await plain(w.operations, '/metrics')
  const declared = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)]
  for (const [, name, type] of declared) assert.equal(documented.get(name)?.type, type, `${name} is not in docs/metrics.md`)
  for (const name of used(read(RULES))) {
    const optional = /feed|issuer_keys|shard_endpoint_ready/.test(name) // of what this gateway has not
    assert.ok(optional || declared.some(([, n]) => n === family(name)), `${name} is not on the page of a gateway that is used`)
  }
})

test('labels on the page are the documented ones', async () => {
  const { text } = await plain(w.operations, '/metrics')
  for (const line of text.split('\n').filter(l => l && !l.startsWith('#'))) {
    const [, name, labels = ''] = line.match(/^(\w+)(?:\{(.*)\})? /)
    for (const [, label] of labels.matchAll(/(\w+)="/g)) assert.ok([...documented.get(family(name)).labels, 'le'].includes(label), line)
  }
})

test('OpenMetrics is given to who asks for it, and is whole', async () => {
  const { text, headers } = await plain(w.operations, '/metrics', { headers: { accept: 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2' } })
  assert.match(headers['content-type'], /^application\/openmetrics-text; version=1\.0\.0/)
  assert.ok(text.endsWith('\n# EOF\n'))
  const types = new Map([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(m => [m[1], m[2]]))
  for (const [, name] of text.matchAll(/^(\w+)[{ ]/gm)) {
    const of = [...types].find(([n, type]) => name === n + (type === 'counter' ? '_total' : '') || (type === 'histogram' && [`${n}_bucket`, `${n}_sum`, `${n}_count`].includes(name)))
    assert.ok(of, name)
  }
  for (const [, name, unit] of text.matchAll(/^# UNIT (\w+) (\w+)$/gm)) assert.ok(name.endsWith(`_${unit}`), name)
  assert.match(text, /^sallyport_stage_duration_seconds_count\{stage="policy"\} 3$/m)
  assert.match(text, /^sallyport_shard_answers_total\{shard="one",status="2xx"\} 3$/m)
})
