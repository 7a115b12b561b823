// SPDX-License-Identifier: GPL-3.0-or-later
// A policy is tried out on real traffic before it is in force: nothing changes for clients, and the audit log and the metrics tell what would.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { refused } from './lib/expect.mjs'
import { replace } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const READERS = '@id("readers")\npermit (principal, action in Action::"readonly", resource);\n'
const CAUTIOUS = '@id("small")\nforbid (principal, action == Action::"search", resource) unless { context.request has limit && context.request.limit <= 100 };\n'
const BOLD = '@id("writers")\npermit (principal, action in Action::"readwrite", resource);\n'
const SHADOW = '@mode("shadow")\n'
const SEARCH = '/collections/docs/points/search'
const counted = (policy, effect, mode) => `sallyport_policy_decisions_total{policy="${policy}",effect="${effect}"${mode ? `,mode="${mode}"` : ''}}`
let w, shard, client

before(async () => {
  shard = await Upstream.start()
  w = await World.make('shadow', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }],
    policies: READERS + SHADOW + CAUTIOUS + SHADOW + BOLD })
  await w.start()
  client = await w.workload('client')
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const search = limit => client.post(SEARCH, { vector: [0.5], limit })
const remove = () => client.post('/collections/docs/points/delete', { points: [1] })
const recordOf = answer => w.record(answer.headers['x-request-id'])

test('shadow policies change nothing, and the record says what they would have changed', async () => {
  const small = await search(10), large = await search(1000), removal = await remove()
  assert.deepEqual([small.status, large.status], [200, 200])
  refused(removal, { status: 403, code: 'denied' })
  assert.equal((await recordOf(small)).shadow, undefined)
  const forbidden = await recordOf(large)
  assert.deepEqual([forbidden.decision, forbidden.policies, forbidden.shadow], ['allow', ['readers'], { decision: 'deny', policies: ['small'] }])
  const permitted = await recordOf(removal)
  assert.deepEqual([permitted.decision, permitted.policies, permitted.shadow], ['deny', undefined, { decision: 'allow', policies: ['writers'] }])
})

test('decisions are counted by policy, those that were not taken too, and a reload keeps the counts', async () => {
  const m = await w.metrics()
  assert.equal(m[counted('readers', 'permit')], 2)
  assert.equal(m[counted('small', 'forbid', 'shadow')], 1)
  assert.equal(m[counted('writers', 'permit', 'shadow')], 2) // beside readers, it would have permitted the small search
  assert.deepEqual(['allow', 'deny'].map(d => m[`sallyport_policy_shadow_differences_total{decision="${d}"}`]), [1, 1])
  replace(w.at('policy.cedar'), READERS + CAUTIOUS + BOLD)
  assert.ok(await w.reload())
  refused(await search(1000), { status: 403, code: 'denied' })
  assert.equal((await remove()).status, 200)
  const after = await w.metrics()
  assert.equal(after[counted('readers', 'permit')], 2)
  assert.equal(after[counted('small', 'forbid')], 1)
  assert.equal(after[counted('writers', 'permit')], 1)
  assert.equal(after[counted('small', 'forbid', 'shadow')], 1)
})

test('another mode is refused, and what was in force stays', async () => {
  replace(w.at('policy.cedar'), '@mode("shadwo")\n' + CAUTIOUS + READERS)
  assert.equal(await w.reload(), false)
  assert.match(w.process.log, /policy\.cedar:1:1: error: @mode\("shadwo"\) is not understood; write @mode\("shadow"\) or remove it/)
  refused(await search(1000), { status: 403, code: 'denied' })
})
