// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport connect`: what an application on localhost gets, and what a gateway behind it sees, with an authority, two gateways and a shard that
// writes down what reaches it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { authorityOf, Connect } from './lib/connect.mjs'
import { port, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const SEARCH = '/collections/docs/points/search'
const QUERY = { vector: [0.1, 0.2], limit: 3 }
let w, shard, authority, who
const connects = []

async function connect(name, options = {}) {
  const c = await Connect.make(name, { who, gateways: [w], authority, ...options })
  connects.push(c)
  return c.start(options)
}

before(async () => {
  shard = await Upstream.start()
  w = await World.make('connect', { shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }] })
  authority = await authorityOf(w)
  await authority.start()
  await w.start()
  await until('the keys', async () => (await w.metrics()).sallyport_ready === 1)
  who = w.ca.issue('search')
})

after(async () => {
  dumpLogs(w?.process, authority?.process, ...connects.map(c => c.process))
  for (const c of connects) await c.stop()
  await w?.stop()
  await authority?.stop()
  await shard?.stop()
})

test('a request on localhost reaches the shard, as the workload', async () => {
  const c = await connect('plain')
  const answer = await c.post(SEARCH, QUERY, { headers: { 'x-envoy-expected-rq-timeout-ms': '20000' } })
  assert.equal(answer.status, 200, answer.text)
  assert.match(answer.headers['x-request-id'], /^[0-9a-f]{32}$/)
  const record = await w.record(answer.headers['x-request-id'])
  assert.equal(record.workload, who.id)
  assert.ok(Number(shard.last.get('x-envoy-expected-rq-timeout-ms')) > 10000, 'the time that the client gave is not with the shard')
})
