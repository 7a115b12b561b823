// SPDX-License-Identifier: GPL-3.0-or-later
// A shard with a slow endpoint and a fast one: reads are hedged, and nobody waits for the slow one. And the time that a client gives, kept to by the real
// process and told to the shard. The endpoints are scripted, and write down what reaches them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const WAITS = 'x-envoy-expected-rq-timeout-ms'
let w, client, slow, fast, usual, late

before(async () => {
  w = await World.make('hedge', { shards: [{ name: 'none', api: 'qdrant', endpoints: ['http://127.0.0.1:1'] }], routes: [{ shard: 'none' }], loops: 1 })
  ;[slow, fast, usual, late] = await Promise.all([1, 2, 3, 4].map(() => Upstream.start()))
  fast.answer = () => json({ whose: 'fast' })
  const common = { api: 'qdrant', timeouts: { first_byte: '60s' }, health: { interval: '0s' } }
  w.config.shards = [
    { name: 'pair', ...common, endpoints: [slow.url, fast.url], hedge: { after: '100ms', percent: 100 }, retries: { percent: 100 } },
    { name: 'measured', ...common, endpoints: [usual.url, late.url], hedge: { after: 'p95' }, retries: { percent: 100 } }
  ]
  w.config.routes = w.config.shards.map(s => ({ collection: s.name, shard: s.name }))
  w.save()
  await w.start()
  client = await w.workload('hedge')
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  client?.close()
  await Promise.all([slow, fast, usual, late].map(e => e?.stop()))
})

async function metric(name) {
  return Object.entries(await w.metrics()).find(([row]) => row.startsWith(`sallyport_${name}`))?.[1]
}

test('reads that the slow endpoint got are answered by the fast one; the slow one\'s connections are closed, and it stays', async () => {
  const closed = []
  slow.answer = (r, socket) => { socket.on('close', () => closed.push(r)) } // for ever
  let hedged = 0
  for (let i = 0; i < 8; i++) {
    const r = await client.post('/collections/pair/points/count', { exact: true })
    assert.equal(r.status, 200, r.text)
    assert.deepEqual(r.json, { whose: 'fast' })
    const record = await w.record(r.headers['x-request-id'])
    assert.equal(record.error, undefined)
    hedged += record.hedged === true
  }
  assert.ok(slow.requests.length > 0, 'the slow one was never asked')
  assert.ok(hedged >= slow.requests.length)
  for (const r of [...slow.requests, ...fast.requests]) assert.equal(r.body.toString(), '{"exact":true}')
  await until('the slow one to be left', () => closed.length === slow.requests.length, 20000)
  assert.ok(await metric('upstream_hedges_total') >= hedged)
  assert.ok(await metric('upstream_hedges_won_total') >= slow.requests.length)
  assert.equal(await metric('upstream_ejections_total'), 0)
})

test('a write waits for the endpoint that got it, and no other gets it', async () => {
  const asked = []
  slow.answer = fast.answer = (r, socket) => { asked.push(r); setTimeout(() => socket.write(json({ written: true })), 500) }
  for (let i = 0; i < 3; i++) assert.equal((await client.put('/collections/pair/index', { field_name: 'a' })).status, 200)
  assert.equal(asked.length, 3)
})

test('without a number the delay is what nearly all answers take', async () => {
  usual.answer = late.answer = () => json({})
  for (let i = 0; i < 80; i++) assert.equal((await client.get('/collections/measured')).status, 200)
  const before = await metric('upstream_hedges_won_total')
  late.answer = () => undefined
  usual.answer = () => json({ whose: 'usual' })
  for (let i = 0; i < 4; i++) {
    const r = await client.get('/collections/measured')
    assert.equal(r.status, 200)
    assert.deepEqual(r.json, { whose: 'usual' })
  }
  assert.ok(await metric('upstream_hedges_won_total') > before)
})

test('a client\'s time is told to the shard, ends with 504, and a wrong one is 400', async () => {
  slow.answer = fast.answer = () => json({})
  const from = slow.requests.length + fast.requests.length
  assert.equal((await client.post('/collections/pair/points/count', {}, { headers: { [WAITS]: '20000' } })).status, 200)
  assert.equal(slow.requests.length + fast.requests.length, from + 1)
  const told = [slow.last, fast.last].find(r => r?.get(WAITS))
  assert.ok(Number(told.get(WAITS)) > 0 && Number(told.get(WAITS)) <= 20000)
  assert.match(told.path, /\?timeout=(20|1\d|\d)$/)

  slow.answer = fast.answer = () => undefined
  const began = Date.now()
  const r = await client.post('/collections/pair/points/count', {}, { headers: { [WAITS]: '600' } })
  assert.equal(r.status, 504, r.text)
  assert.equal(r.json.code, 'shard_timeout')
  assert.ok(Date.now() - began >= 600)
  assert.ok(Date.now() - began < 30000, 'the shard\'s time was kept to, not the client\'s')
  const record = await w.record(r.headers['x-request-id'])
  assert.equal(record.error, 'SHARD_TIMEOUT')
  assert.match(record.detail, /the time that the client gave/)

  const wrong = await client.get('/collections/pair', { headers: { [WAITS]: '2s' } })
  assert.equal(wrong.status, 400)
  assert.equal(wrong.json.code, 'bad_expected_rq_timeout')
})
